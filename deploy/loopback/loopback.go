// Package loopback says who may talk to a server that is for this machine
// alone: [Address] where it may listen, [Foreign] which requests it refuses.
package loopback

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
)

// Address refuses an address, an IP and a port, that others can reach.
func Address(address string) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return errors.New("want an IP address and a port")
	}
	if !a.Addr().IsLoopback() || a.Addr().Zone() != "" {
		return errors.New("not on loopback")
	}
	return nil
}

// Foreign says in one line why a request must be refused; empty: it need not
// be. A page that a browser has loaded can reach loopback: by name, with its
// own Host (DNS rebinding), or across origins, with an Origin or, where it sends
// none, the browser's own word for where it comes from.
func Foreign(r *http.Request) string {
	switch {
	case !Host(r.Host):
		return "the Host of a request must be a loopback address"
	case len(r.Header.Values("Origin")) > 0:
		return "requests from web pages are not taken"
	}
	for _, site := range r.Header.Values("Sec-Fetch-Site") {
		if site != "none" { // whoever typed the address is no page
			return "requests from web pages are not taken"
		}
	}
	return ""
}

// Host reports whether a request's Host names this machine to itself.
func Host(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	if name == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(name)
	return err == nil && a.IsLoopback()
}
