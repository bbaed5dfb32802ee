package toxiproxy

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

// Options are what the API works on.
type Options struct {
	System  deploy.System // must have the power deploy.Shaper
	Journal Journal
	Seed    uint64 // the seeds of toxics that name none follow from it and from their names
	// Lease returns an error once this run's lease is lost. May be nil.
	Lease func() error
}

// A Journal keeps what is about to be done until it has been undone.
type Journal interface {
	// Write returns when the entry is on the disk.
	Write(chaos.Entry) error
}

// An API serves requests. It does one at a time: each takes milliseconds.
type API struct {
	plane
	system    deploy.System
	seed      uint64
	topology  topology.System
	instances map[string]topology.Instance // by their own address
	mux       *http.ServeMux

	mu      sync.Mutex
	closed  bool
	lost    bool              // the lease; all is lifted then, by others or by us
	proxies map[string]*proxy // by name
}

// New returns the API over the links of a system. The error wraps
// [errors.ErrUnsupported] if there is no relay on them.
func New(o Options) (*API, error) {
	if _, err := deploy.Power[deploy.Shaper](o.System); err != nil {
		return nil, err
	}
	if o.Lease == nil {
		o.Lease = func() error { return nil }
	}
	a := &API{
		plane: plane{journal: o.Journal, lease: o.Lease}, system: o.System, seed: o.Seed, topology: o.System.Topology(),
		instances: map[string]topology.Instance{}, proxies: map[string]*proxy{},
	}
	for _, in := range a.topology.Instances() {
		address, err := o.System.Address("", in.Name)
		if err != nil {
			return nil, err
		}
		a.instances[address] = in
	}
	for _, l := range a.topology.Links() {
		p, err := newLink(o.System, l)
		if err != nil {
			return nil, err
		}
		a.proxies[p.name] = p
	}
	a.route()
	return a, nil
}

// Close takes no more requests and lifts all that they have done.
func (a *API) Close(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	var errs []error
	for _, p := range a.proxies {
		errs = append(errs, a.end(ctx, p))
	}
	return errors.Join(errs...)
}
