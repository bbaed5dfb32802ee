package toxiproxy

import (
	"context"
	"net/http"
)

// mostToxics bounds those of one proxy: each is a stage that every byte passes.
const mostToxics = 50

// pick returns the proxy and the toxic that a path names.
func (a *API) pick(q request) (*proxy, *toxic, error) {
	p, err := a.find(q)
	if err != nil {
		return nil, nil, err
	}
	t, err := p.toxic(q.toxic)
	return p, t, err
}

func (a *API) listToxics(_ context.Context, q request) (int, any, error) {
	p, err := a.find(q)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, p.row(), nil
}

func (a *API) showToxic(_ context.Context, q request) (int, any, error) {
	_, t, err := a.pick(q)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, t, nil
}

func (a *API) createToxic(ctx context.Context, q request) (int, any, error) {
	p, err := a.find(q)
	if err != nil {
		return 0, nil, err
	}
	w, err := q.wanted()
	if err != nil {
		return 0, nil, err
	}
	t, err := a.newToxic(p, w)
	if err == nil {
		err = a.put(ctx, p, t)
	}
	if t != nil && (err == nil || t.harm.Resolved != nil) { // what could not be lifted stays in sight
		p.toxics = append(p.toxics, t)
		a.age(p, t)
	}
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, t, nil
}

// newToxic is the toxic that w describes, which does nothing yet.
func (a *API) newToxic(p *proxy, w wanted) (*toxic, error) {
	t := &toxic{Name: w.Name, Type: w.Type, Stream: w.Stream, Toxicity: 1}
	if t.Stream == "" {
		t.Stream = "downstream"
	}
	if !t.valid() {
		return nil, errStream
	}
	fresh, known := types[t.Type]
	if !known {
		return nil, errType
	}
	if t.Name == "" {
		t.Name = t.Type + "_" + t.Stream
	}
	if err := named("toxic", t.Name); err != nil {
		return nil, err
	}
	if _, err := p.toxic(t.Name); err == nil {
		return nil, errTwoToxics
	}
	if len(p.toxics) >= mostToxics {
		return nil, refuse(http.StatusForbidden, "%s has %d toxics, and there may be no more", p.name, len(p.toxics))
	}
	t.Attributes, t.Seed, t.id = fresh(), a.seedOf(p, t.Name), a.id()
	if err := t.merge(w); err != nil {
		return nil, err
	}
	return t, nil
}

// updateToxic changes what is said of attributes, toxicity, ttl and seed; the
// rest of a toxic stays as it was made.
func (a *API) updateToxic(ctx context.Context, q request) (int, any, error) {
	p, t, err := a.pick(q)
	if err != nil {
		return 0, nil, err
	}
	w, err := q.wanted()
	if err != nil {
		return 0, nil, err
	}
	changed, err := t.copied()
	if err != nil {
		return 0, nil, err
	}
	if err := changed.merge(w); err != nil {
		return 0, nil, err
	}
	if err := a.put(ctx, p, changed); err != nil {
		harmed := t.harm.Resolved != nil
		if t.harm = changed.harm; harmed && t.harm.Resolved == nil { // neither the old one nor the new one
			t.stop()
			p.drop(t)
		}
		return 0, nil, err
	}
	*t = *changed
	if w.TTL != nil {
		a.age(p, t)
	}
	return http.StatusOK, t, nil
}

func (a *API) deleteToxic(ctx context.Context, q request) (int, any, error) {
	p, t, err := a.pick(q)
	if err == nil {
		err = a.take(ctx, p, t)
	}
	return http.StatusNoContent, nil, err
}
