package toxiproxy

import (
	"context"
	"errors"
	"net/http"
)

// Version is that of the Toxiproxy whose words these are.
const Version = "2.12.0"

func version(context.Context, request) (int, any, error) {
	return http.StatusOK, map[string]string{"version": Version}, nil
}

var (
	errNoProxy    = refuse(http.StatusNotFound, "proxy not found")
	errTwoProxies = refuse(http.StatusConflict, "proxy already exists")
)

func (a *API) find(q request) (*proxy, error) {
	if p := a.proxies[q.proxy]; p != nil {
		return p, nil
	}
	return nil, errNoProxy
}

// reset enables every proxy and takes every toxic away.
func (a *API) reset(ctx context.Context, _ request) (int, any, error) {
	var errs []error
	for _, p := range a.proxies {
		errs = append(errs, a.clear(ctx, p), a.enable(ctx, p, true))
	}
	return http.StatusNoContent, nil, errors.Join(errs...)
}

func (a *API) listProxies(context.Context, request) (int, any, error) {
	all := make(map[string]view, len(a.proxies))
	for name, p := range a.proxies {
		all[name] = p.view()
	}
	return http.StatusOK, all, nil
}

// described is what a client says of a proxy. Nil is not said.
type described struct {
	Name     string `json:"name"`
	Listen   string `json:"listen"`
	Upstream string `json:"upstream"`
	Enabled  *bool  `json:"enabled"`
}

func (d described) check() error {
	switch {
	case d.Name == "":
		return errors.New("name")
	case d.Upstream == "":
		return errors.New("upstream")
	}
	return nil
}

// create makes the proxy that d describes, and shuts it if it says so.
func (a *API) create(ctx context.Context, d described) (*proxy, error) {
	if err := named("proxy", d.Name); err != nil {
		return nil, err
	}
	at, err := a.place(d.Listen, d.Upstream)
	if err != nil {
		return nil, err
	}
	p, err := a.add(ctx, d.Name, at)
	if err == nil && d.Enabled != nil {
		err = a.enable(ctx, p, *d.Enabled)
	}
	return p, err
}

func (a *API) createProxy(ctx context.Context, q request) (int, any, error) {
	var d described
	if err := q.decode(&d); err != nil {
		return 0, nil, err
	}
	if err := d.check(); err != nil {
		return 0, nil, refuse(http.StatusBadRequest, "missing required field: %w", err)
	}
	if a.proxies[d.Name] != nil {
		return 0, nil, errTwoProxies
	}
	p, err := a.create(ctx, d)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, p.view(), nil
}

// populated is the answer of populate, a complaint's fields among it.
type populated struct {
	*complaint
	Proxies []view `json:"proxies"`
}

// populate wants proxies to be where it says: one that is there stays as it is,
// another in its place makes room, and those that are not named are left alone.
func (a *API) populate(ctx context.Context, q request) (int, any, error) {
	var all []described
	err := q.decode(&all)
	for i, d := range all {
		if missing := d.check(); err == nil && missing != nil {
			err = refuse(http.StatusBadRequest, "missing required field: %w at proxy %d", missing, i+1)
		}
	}
	var out populated
	for _, d := range all {
		if err != nil {
			break
		}
		var p *proxy
		if p, err = a.replace(ctx, d); err == nil {
			out.Proxies = append(out.Proxies, p.view())
		}
	}
	if err != nil {
		c := complain(err)
		out.complaint = &c
	}
	return http.StatusCreated, out, err
}

func (a *API) replace(ctx context.Context, d described) (*proxy, error) {
	p := a.proxies[d.Name]
	switch {
	case p == nil:
	case p.stays(d.Listen, d.Upstream):
		return p, nil
	case p.own == nil:
		return nil, a.move(ctx, p, d.Listen, d.Upstream) // which refuses
	default:
		if _, err := a.place(d.Listen, d.Upstream); err != nil {
			return nil, err
		}
		if err := a.remove(ctx, p); err != nil {
			return nil, err
		}
	}
	return a.create(ctx, d)
}

func (a *API) showProxy(_ context.Context, q request) (int, any, error) {
	p, err := a.find(q)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, p.view(), nil
}

// updateProxy changes what is said; a proxy's name is not among it.
func (a *API) updateProxy(ctx context.Context, q request) (int, any, error) {
	p, err := a.find(q)
	if err != nil {
		return 0, nil, err
	}
	d := described{Listen: p.listen, Upstream: p.upstream}
	if err := q.decode(&d); err != nil {
		return 0, nil, err
	}
	if !p.stays(d.Listen, d.Upstream) {
		if err := a.move(ctx, p, d.Listen, d.Upstream); err != nil {
			return 0, nil, err
		}
	}
	if d.Enabled != nil {
		if err := a.enable(ctx, p, *d.Enabled); err != nil {
			return 0, nil, err
		}
	}
	return http.StatusOK, p.view(), nil
}

func (a *API) deleteProxy(ctx context.Context, q request) (int, any, error) {
	p, err := a.find(q)
	if err == nil {
		err = a.remove(ctx, p)
	}
	return http.StatusNoContent, nil, err
}
