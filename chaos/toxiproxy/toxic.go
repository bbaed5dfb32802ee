package toxiproxy

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"hash/fnv"
	"net/http"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

// A toxic is one thing that is wrong with a proxy. As JSON it is what clients
// read.
type toxic struct {
	Attributes attributes `json:"attributes"`
	Name       string     `json:"name"`
	Type       string     `json:"type"`
	Stream     string     `json:"stream"`
	Toxicity   float32    `json:"toxicity"`      // 0 to 1
	TTL        int64      `json:"ttl,omitempty"` // milliseconds; 0: for good
	Seed       uint64     `json:"seed"`

	id    string      // of the fault
	harm  grip        // empty: it would do nothing, and has no rule
	timer *time.Timer // of the TTL; nil: there is none
}

// mostTTL bounds a toxic's life as asked for; nobody waits for longer than a day.
const mostTTL = 24 * time.Hour

// valid reports whether the stream is one.
func (t *toxic) valid() bool { return t.upstream() || strings.EqualFold(t.Stream, "downstream") }

// upstream reports whether the toxic is on the way to the callee.
func (t *toxic) upstream() bool { return strings.EqualFold(t.Stream, "upstream") }

// wanted is what a client says of a toxic. Nil is not said.
type wanted struct {
	Name       string          `json:"name"`
	Type       string          `json:"type"`
	Stream     string          `json:"stream"`
	Toxicity   *float32        `json:"toxicity"`
	Attributes json.RawMessage `json:"attributes"`
	extras
}

// extras are the fields that are ours.
type extras struct {
	TTL  *int64  `json:"ttl"`
	Seed *uint64 `json:"seed"`
}

// wanted reads what a client says of a toxic, our fields wherever they stand.
func (q request) wanted() (w wanted, err error) {
	if err := q.decode(&w); err != nil || len(w.Attributes) == 0 {
		return w, err
	}
	var among extras
	if err := json.Unmarshal(w.Attributes, &among); err != nil {
		return w, badBody(err)
	}
	w.TTL, w.Seed = cmp.Or(w.TTL, among.TTL), cmp.Or(w.Seed, among.Seed)
	return w, nil
}

// merge changes t as w says. On error t must not be used.
func (t *toxic) merge(w wanted) error {
	if len(w.Attributes) > 0 {
		if err := json.Unmarshal(w.Attributes, t.Attributes); err != nil {
			return badBody(err)
		}
	}
	if w.Toxicity != nil {
		t.Toxicity = *w.Toxicity
	}
	if !(t.Toxicity >= 0 && t.Toxicity <= 1) {
		return badBody(errors.New("toxicity is not from 0 to 1"))
	}
	if w.TTL != nil {
		if *w.TTL < 0 || *w.TTL > mostTTL.Milliseconds() {
			return badBody(errors.New("ttl is not from 0 to a day's milliseconds"))
		}
		t.TTL = *w.TTL
	}
	if w.Seed != nil {
		t.Seed = *w.Seed
	}
	if err := t.Attributes.check(); err != nil {
		return badBody(err)
	}
	return nil
}

// copied returns a toxic that can be changed without changing t.
func (t *toxic) copied() (*toxic, error) {
	c := *t
	c.Attributes = types[t.Type]()
	b, err := json.Marshal(t.Attributes)
	if err != nil {
		return nil, err
	}
	return &c, json.Unmarshal(b, c.Attributes)
}

// resolved is the toxic as a fault on a proxy, and whether it does anything.
func (t *toxic) resolved(p *proxy) (r chaos.Resolved, does bool, err error) {
	h := harm{Proxy: p.name, Toxic: t.Name, Toxicity: float64(t.Toxicity), Established: true}
	var args any
	if h.Kind, args = t.Attributes.rule(); h.Kind == "" || t.Toxicity == 0 {
		return r, false, nil
	}
	r = chaos.Resolved{ID: t.id, Action: Action, Links: []topology.Link{p.link}, Direction: deploy.From, Seed: t.Seed}
	if t.upstream() {
		r.Direction = deploy.To
	}
	if args != nil {
		if h.Args, err = json.Marshal(args); err != nil {
			return r, false, err
		}
	}
	r.Args, err = json.Marshal(h)
	return r, true, err
}

// put makes the relay do what t says, in place of what it did.
func (a *API) put(ctx context.Context, p *proxy, t *toxic) error {
	r, does, err := t.resolved(p)
	switch {
	case err != nil:
		return err
	case does:
		return a.inject(ctx, p.system, &t.harm, r)
	}
	return a.lift(ctx, p.system, &t.harm)
}

// take ends a toxic. If that fails it is still there.
func (a *API) take(ctx context.Context, p *proxy, t *toxic) error {
	err := a.lift(ctx, p.system, &t.harm)
	if t.harm.Resolved == nil {
		t.stop()
		p.drop(t)
	}
	return err
}

// seedOf is the seed of a toxic that names none: another one for each name, so
// that two toxics do not choose the same connections. Its 53 bits fit into the
// numbers of every language.
func (a *API) seedOf(p *proxy, name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(p.name + "\x00" + name)) // a hash's Write never fails
	return (h.Sum64() ^ a.seed) >> 11
}

// stop keeps the TTL from ending the toxic.
func (t *toxic) stop() {
	if t.timer != nil {
		t.timer.Stop()
		t.timer = nil
	}
}

// again is how long a toxic whose time is over and that could not be lifted
// waits for the next try.
const again = time.Second

// age lets the TTL run from now on.
func (a *API) age(p *proxy, t *toxic) {
	t.stop()
	if t.TTL == 0 {
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(time.Duration(t.TTL)*time.Millisecond, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if t.timer != timer || a.closed { // it has gone, or has got another time
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), most)
		defer cancel()
		if a.take(ctx, p, t); t.timer != nil { // the journal says why
			timer.Reset(again)
		}
	})
	t.timer = timer
}

var (
	errStream    = refuse(http.StatusBadRequest, "stream must be upstream or downstream")
	errType      = refuse(http.StatusBadRequest, "invalid toxic type")
	errNoToxic   = refuse(http.StatusNotFound, "toxic not found")
	errTwoToxics = refuse(http.StatusConflict, "toxic already exists")
)
