package toxiproxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"unicode"

	"github.com/bedlamlab/bedlam/deploy/loopback"
	"github.com/bedlamlab/bedlam/topology"
)

const (
	// mostMade bounds the proxies of clients' own: each has two listeners.
	mostMade = 100
	// longestName bounds the name of a proxy or a toxic, bytes: it stands in
	// every line of the journal that speaks of it.
	longestName = 128
)

// named refuses a name that cannot stand in a path.
func named(what, name string) error {
	if len(name) > longestName || strings.ContainsFunc(name, func(r rune) bool { return r == '/' || unicode.IsControl(r) }) {
		return refuse(http.StatusBadRequest, "the name of a %s has at most %d bytes, and neither slashes nor control characters", what, longestName)
	}
	return nil
}

// A place is where a proxy of a client's own may stand.
type place struct {
	listen   string            // on loopback
	upstream string            // as the client spells it
	address  string            // of the upstream
	instance topology.Instance // behind it
}

// place checks both ends: this machine alone, and an instance of the run.
func (a *API) place(listen, upstream string) (place, error) {
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	at, err := plain(listen)
	if err != nil {
		return place{}, err
	}
	if err := loopback.Address(at); err != nil {
		return place{}, refuse(http.StatusForbidden, "listen %.100q: %w: a proxy is for this machine alone", listen, err)
	}
	address, err := plain(upstream)
	if err != nil {
		return place{}, err
	}
	in, ok := a.instances[address]
	if !ok {
		return place{}, refuse(http.StatusForbidden, "upstream %.100q is no instance of this run: want an address that one of its links has as upstream", upstream)
	}
	return place{at, upstream, address, in}, nil
}

// plain is an address with localhost, or nothing, spelt as its number.
func plain(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", refuse(http.StatusBadRequest, "%.100q is not host:port", address)
	}
	if host == "" || host == "localhost" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// add makes a proxy of a client's own.
func (a *API) add(ctx context.Context, name string, at place) (*proxy, error) {
	made := 0
	for _, p := range a.proxies {
		if p.own != nil {
			made++
		}
	}
	if made >= mostMade {
		return nil, refuse(http.StatusForbidden, "there are %d proxies beside the run's links, and there may be no more", made)
	}
	p := &proxy{name: name}
	if err := a.stand(ctx, p, at); err != nil {
		return nil, err
	}
	a.proxies[name] = p
	return p, nil
}

// stand gives p a relay.
func (a *API) stand(ctx context.Context, p *proxy, at place) error {
	service, _ := a.topology.Service(at.instance.Service)
	l := topology.Link{From: p.name, To: at.instance.Name}
	o, err := open(ctx, a.system, l, service.Protocol, at.listen, at.address)
	if err != nil {
		return err
	}
	p.own, p.system, p.link = o, o, l
	p.listen, p.upstream = o.listen, at.upstream
	return nil
}

// remove ends a proxy of a client's own.
func (a *API) remove(ctx context.Context, p *proxy) error {
	if p.own == nil {
		return refuse(http.StatusForbidden, "%s is a link of the run and stays: disable it, or take its toxics away", p.name)
	}
	delete(a.proxies, p.name)
	return a.end(ctx, p)
}

// stays reports whether p stands at listen and upstream already; said with
// nothing, or in other words, is the same.
func (p *proxy) stays(listen, upstream string) bool {
	same := func(said, is string) bool {
		at, err := plain(said)
		return said == "" || said == is || err == nil && at == is
	}
	return same(listen, p.listen) && same(upstream, p.upstream)
}

// move gives a proxy of a client's own another place, with all that is wrong
// with it. If that cannot be had it keeps the old one; if that cannot be had
// again either, it is gone.
func (a *API) move(ctx context.Context, p *proxy, listen, upstream string) error {
	if p.own == nil {
		return refuse(http.StatusForbidden, "%s is a link of the run: it stays between %s and %s", p.name, p.listen, p.upstream)
	}
	to, err := a.place(listen, upstream)
	if err != nil {
		return err
	}
	from, err := a.place(p.listen, p.upstream)
	if err != nil {
		return err
	}
	enabled := p.barred.Resolved == nil
	errs := []error{a.enable(ctx, p, true)}
	for _, t := range p.toxics {
		errs = append(errs, a.lift(ctx, p.system, &t.harm))
	}
	errs = append(errs, p.own.close())
	if err := a.stand(ctx, p, to); err != nil {
		errs = append(errs, err)
		if err := a.stand(ctx, p, from); err != nil {
			delete(a.proxies, p.name)
			return errors.Join(append(errs, fmt.Errorf("%s is gone: %w", p.name, err))...)
		}
	}
	for _, t := range p.toxics {
		errs = append(errs, a.put(ctx, p, t))
	}
	return errors.Join(append(errs, a.enable(ctx, p, enabled))...)
}
