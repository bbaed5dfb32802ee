package toxiproxy

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

// A proxy is a link of the run, or one of a client's own to an instance of it.
type proxy struct {
	name, listen, upstream string
	link                   topology.Link
	system                 deploy.System // whose relay stands on the link
	own                    *own          // nil: the link is one of the run's
	barred                 grip          // empty: it is enabled
	toxics                 []*toxic
}

// A view is a proxy as clients read it.
type view struct {
	Name     string   `json:"name"`
	Listen   string   `json:"listen"`
	Upstream string   `json:"upstream"`
	Enabled  bool     `json:"enabled"`
	Toxics   []*toxic `json:"toxics"`
}

func (p *proxy) view() view {
	return view{Name: p.name, Listen: p.listen, Upstream: p.upstream, Enabled: p.barred.Resolved == nil, Toxics: p.row()}
}

// row is the toxics in the order in which clients read them: upstream first.
func (p *proxy) row() []*toxic {
	row := append([]*toxic{}, p.toxics...)
	slices.SortStableFunc(row, func(a, b *toxic) int {
		switch {
		case a.upstream() == b.upstream():
			return 0
		case a.upstream():
			return -1
		}
		return 1
	})
	return row
}

func (p *proxy) toxic(name string) (*toxic, error) {
	for _, t := range p.toxics {
		if t.Name == name {
			return t, nil
		}
	}
	return nil, errNoToxic
}

func (p *proxy) drop(t *toxic) {
	p.toxics = slices.DeleteFunc(p.toxics, func(o *toxic) bool { return o == t })
}

// newLink returns the proxy that a link of the run is. Its name has no arrow:
// a shell would take that for something else.
func newLink(s deploy.System, l topology.Link) (*proxy, error) {
	p := &proxy{name: l.From + ":" + l.To, link: l, system: s}
	var errs [2]error
	p.listen, errs[0] = s.Address(l.From, l.To)
	p.upstream, errs[1] = s.Address("", l.To)
	return p, errors.Join(errs[:]...)
}

// enable opens a proxy's door or shuts it.
func (a *API) enable(ctx context.Context, p *proxy, enabled bool) error {
	if enabled {
		return a.lift(ctx, p.system, &p.barred)
	}
	if p.barred.Resolved != nil {
		return nil
	}
	args, err := json.Marshal(harm{Proxy: p.name, Kind: "refuse"})
	if err != nil {
		return err
	}
	return a.inject(ctx, p.system, &p.barred, chaos.Resolved{ID: a.id(), Action: Action, Links: []topology.Link{p.link}, Direction: deploy.Both, Args: args})
}

// clear takes all toxics of a proxy away.
func (a *API) clear(ctx context.Context, p *proxy) error {
	var errs []error
	for _, t := range slices.Clone(p.toxics) {
		errs = append(errs, a.take(ctx, p, t))
	}
	return errors.Join(errs...)
}

// end takes everything away from a proxy, and what is a client's own ends.
func (a *API) end(ctx context.Context, p *proxy) error {
	err := errors.Join(a.clear(ctx, p), a.enable(ctx, p, true))
	if p.own != nil {
		err = errors.Join(err, p.own.close())
	}
	return err
}
