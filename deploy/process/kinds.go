package process

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/bedlamlab/bedlam/deploy/postgres"
	"github.com/bedlamlab/bedlam/deploy/relay"
	"github.com/bedlamlab/bedlam/topology"
)

// serviceUnit runs the shop binary. Its environment holds its assignment and
// nothing of ours.
func (s *system) serviceUnit(in topology.Instance, v topology.Service) *unit {
	u := s.unit(in.Name, s.desc.Layout.Own[in.Name])
	u.command = func() (*exec.Cmd, error) {
		a, err := s.assign(in, v)
		if err != nil {
			return nil, err
		}
		b, err := json.Marshal(a)
		if err != nil {
			return nil, err
		}
		cmd := exec.Command(s.plan.Shop, in.Service)
		cmd.Dir = s.folder(in.Name)
		cmd.Env = []string{"SHOP_ASSIGNMENT=" + string(b)}
		return cmd, nil
	}
	return u
}

// assign is what one instance is told at its start. Whoever it calls, it calls
// through the relay.
func (s *system) assign(in topology.Instance, v topology.Service) (topology.Assignment, error) {
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
				return a, err
			}
			if e.To == v.Store {
				o := s.desc.Stores[e.To]
				o.Port = port(address)
				a.Store, a.StoreInstance = postgres.DSN(o, v.Name), to.Name
				continue
			}
			a.Peers[e.To] = append(a.Peers[e.To], topology.Peer{Instance: to.Name, Address: address})
		}
	}
	return a, nil
}

// storeUnit runs a postmaster.
func (s *system) storeUnit(in topology.Instance) *unit {
	u := s.unit(in.Name, s.desc.Layout.Own[in.Name])
	o := s.desc.Stores[in.Service]
	u.prepare = func(ctx context.Context) error {
		if err := s.install.Init(ctx, o); err != nil {
			return err
		}
		return s.install.Settle(ctx, o)
	}
	u.command = func() (*exec.Cmd, error) { return s.install.Command(o), nil }
	u.equip = func(ctx context.Context) error { return s.install.Provision(ctx, o) }
	return u
}

// relayUnit runs the relay. Its configuration stands in a file, with the rules
// that it should have at that moment. Without the relay no edge works, which is
// our doing and no fault of the system: it comes back at once.
func (s *system) relayUnit() *unit {
	u := s.unit(relayName, s.desc.Layout.Control)
	u.first = 0
	u.opened = nil
	config := filepath.Join(s.folder(relayName), "config.json")
	u.prepare = func(context.Context) error {
		c := relay.Config{Control: s.desc.Layout.Control, Token: s.desc.Token}
		for _, e := range s.desc.Topology.Edges {
			for _, l := range s.desc.Topology.LinksOf(e) {
				c.Edges = append(c.Edges, relay.Edge{Link: l, Protocol: e.Protocol, Listen: s.desc.Layout.Links[l.String()], Upstream: s.desc.Layout.Own[l.To]})
			}
		}
		rules, err := s.rules()
		if err != nil {
			return err
		}
		c.Rules = rules
		return writeJSON(config, c)
	}
	u.command = func() (*exec.Cmd, error) {
		f, err := os.Open(config)
		if err != nil {
			return nil, err
		}
		cmd := exec.Command(s.plan.Bedlam, "relay")
		cmd.Dir, cmd.Env, cmd.Stdin = s.folder(relayName), []string{}, f
		return cmd, nil
	}
	u.readied = s.introduce
	return u
}

// opened tells the relay whether an instance accepts connections. A relay that
// does not hear it learns it when it is ready.
func (s *system) opened(ctx context.Context, instance string, up bool) {
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
func (s *system) introduce(ctx context.Context) {
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
func (s *system) beat() {
	// A second: a fifth of what a rule with the guard's lease as its TTL can
	// go without.
	t := time.NewTicker(time.Second)
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
