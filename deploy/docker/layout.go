package docker

import (
	"fmt"
	"net/netip"

	"github.com/bedlamlab/bedlam/deploy/supervise"
)

// relayPlace is the relay's place in the network; the instances follow.
const relayPlace = 1

// Ports of the instances, each of which has an address to itself.
const (
	servicePort  = 8080
	postgresPort = 5432
)

func (u *upcoming) layout() (supervise.Layout, error) {
	t := u.plan.Topology
	l := supervise.Layout{Own: map[string]string{}, Links: map[string]string{}, Control: supervise.Loopback(u.ports.Ports()[0])}
	for i, in := range t.Instances() {
		a, err := u.network.Address(relayPlace + 1 + i)
		if err != nil {
			return l, err
		}
		v, _ := t.Service(in.Service)
		port := uint16(servicePort)
		if supervise.IsStore(v) {
			port = postgresPort
		}
		l.Own[in.Name] = netip.AddrPortFrom(a, port).String()
	}
	relay, err := u.network.Address(relayPlace)
	if err != nil {
		return l, err
	}
	links := t.Links()
	if len(links) > mostLinks {
		return l, fmt.Errorf("%d links are more than the %d ports of one relay", len(links), mostLinks)
	}
	for i, link := range links {
		l.Links[link.String()] = netip.AddrPortFrom(relay, uint16(firstLink+i)).String()
	}
	return l, nil
}
