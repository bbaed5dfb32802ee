package supervise

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/bedlamlab/bedlam/deploy/names"
	"github.com/bedlamlab/bedlam/deploy/postgres"
	"github.com/bedlamlab/bedlam/deploy/relay"
	"github.com/bedlamlab/bedlam/topology"
)

// assign is what one instance is told at its start. Whoever it calls, it calls
// through the relay, whose address it is told or, with names, finds out.
func (s *System) assign(in topology.Instance, v topology.Service) ([]byte, error) {
	t := s.desc.Topology
	a := topology.Assignment{
		System: t.Name, Instance: in, Listen: s.desc.Layout.Own[in.Name],
		Peers: map[string][]topology.Peer{}, Policies: map[string]topology.Policy{},
		Settings: v.Settings, Telemetry: s.plan.Telemetry,
	}
	for _, e := range t.Edges {
		if e.From != v.Name {
			continue
		}
		a.Policies[e.To] = e.Policy
		for _, to := range t.InstancesOf(e.To) {
			address, err := s.Address(in.Name, to.Name)
			if err != nil {
				return nil, err
			}
			if s.desc.NameServer != "" {
				_, port, _ := net.SplitHostPort(address)
				address = net.JoinHostPort(names.Of(to.Name), port)
			}
			if e.To == v.Store {
				o := s.desc.Stores[e.To]
				o.Host, o.Port = split(address)
				a.Store, a.StoreInstance = postgres.DSN(o, v.Name), to.Name
				continue
			}
			a.Peers[e.To] = append(a.Peers[e.To], topology.Peer{Instance: to.Name, Address: address})
		}
	}
	return json.Marshal(a)
}

// relayUnit runs the relay. Without the relay no edge works, which is
// our doing and no fault of the system: it comes back at once.
func (s *System) relayUnit() *unit {
	u := s.unit(Relay, s.desc.Layout.Control)
	u.first = 0
	u.opened = nil
	u.body = s.outfit.Relay(s.relayConfig)
	u.readied = s.introduce
	return u
}

// relayConfig is what the relay is told.
func (s *System) relayConfig() ([]byte, error) {
	c := relay.Config{Control: s.desc.Layout.Control, Token: s.desc.Token}
	for _, e := range s.desc.Topology.Edges {
		for _, l := range s.desc.Topology.LinksOf(e) {
			c.Edges = append(c.Edges, relay.Edge{Link: l, Protocol: e.Protocol, Listen: s.desc.Layout.Links[l.String()], Upstream: s.desc.Layout.Own[l.To],
				Aware: slices.Contains(s.plan.Aware, l)})
		}
	}
	var err error
	if s.desc.NameServer != "" {
		if c.Names, err = s.names(); err != nil {
			return nil, err
		}
	}
	if c.Rules, err = s.rules(); err != nil {
		return nil, err
	}
	return json.Marshal(c)
}

// names are whom the relay answers as a name server: everybody who has an
// address to himself.
func (s *System) names() (*relay.Names, error) {
	n := &relay.Names{Listen: s.desc.NameServer, Callers: map[netip.Addr]string{}}
	for in, own := range s.desc.Layout.Own {
		at, err := netip.ParseAddrPort(own)
		if err != nil {
			return nil, err
		}
		n.Callers[at.Addr()] = in
	}
	return n, nil
}

// opened tells the relay whether an instance accepts connections. A relay that
// does not hear it learns it when it is ready.
func (s *System) opened(ctx context.Context, instance string, up bool) {
	s.opening.Lock()
	defer s.opening.Unlock()
	s.up[instance] = up
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	if err := s.network.SetUpstream(ctx, instance, up); err != nil && ctx.Err() == nil {
		s.progress(fmt.Sprintf("the relay did not hear that %s is up (%t): %v", instance, up, err))
	}
}

// introduce tells a relay that has just started who is up and who is not.
func (s *System) introduce(ctx context.Context) {
	s.opening.Lock()
	defer s.opening.Unlock()
	for _, u := range s.units {
		once, cancel := context.WithTimeout(ctx, askTime)
		err := s.network.SetUpstream(once, u.name, s.up[u.name])
		cancel()
		if err != nil {
			return // it has died again; the next one will ask
		}
	}
}

// beat keeps the relay's rules alive as long as this process is.
func (s *System) beat() {
	// A tenth of what a rule with the guard's lease as its TTL can go without:
	// a relay that is slow to answer may miss a few.
	t := time.NewTicker(500 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-s.life.Done():
			return
		case <-t.C:
			ctx, cancel := context.WithTimeout(s.life, askTime)
			s.network.Renew(ctx) // unheard by a relay that is being restarted with full leases
			cancel()
		}
	}
}
