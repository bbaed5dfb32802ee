package docker

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/postgres"
	"github.com/bedlamlab/bedlam/deploy/supervise"
	"github.com/bedlamlab/bedlam/topology"
)

// container is what the containers of all instances have in common: they can do
// nothing but what their program does.
func (u *upcoming) container(in topology.Instance) spec {
	v, _ := u.plan.Topology.Service(in.Service)
	l := supervise.Limits(v)
	s := u.any(in.Name)
	s.Memory, s.CPUs = l.Memory, l.CPUs
	// As large as what the instance may take, so that it is the limit on
	// memory that is met first.
	s.Tmpfs = map[string]int64{tmp: l.Memory}
	s.Labels = map[string]string{deploy.LabelService: in.Service}
	s.NameServer = u.machine.nameServer()
	return s
}

// any is what all containers have in common.
func (u *upcoming) any(name string) spec {
	return spec{Run: u.plan.Run, Instance: name, Network: u.network.ID, ReadOnly: true}
}

func (u *upcoming) body(name string, spec func() (spec, error)) *body {
	return &body{machine: u.machine, instance: name, slots: u.slots, spec: spec}
}

func (u *upcoming) service(in topology.Instance, told supervise.Told) supervise.Body {
	b := u.body(in.Name, func() (spec, error) {
		text, err := told()
		s := u.container(in)
		s.IP = u.place(in.Name)
		s.Image, s.Command, s.User = u.shop, []string{"/shop", in.Service}, account(nobody)
		s.Env = []string{"SHOP_ASSIGNMENT=" + string(text)}
		return s, err
	})
	u.services = append(u.services, b)
	return b
}

func (u *upcoming) relay(told supervise.Told) supervise.Body {
	b := u.body(supervise.Relay, func() (spec, error) {
		s := u.any(supervise.Relay)
		var err error
		s.IP, err = u.network.Address(relayPlace)
		s.Image, s.Command, s.User, s.Stdin = u.shop, []string{"/bedlam", "relay"}, account(nobody), true
		s.Publish = map[int]int{controlPort: u.ports.Ports()[0]}
		return s, err
	})
	b.input = func() ([]byte, error) { return inside(told) }
	u.relays = append(u.relays, b)
	return b
}

func (u *upcoming) store(in topology.Instance, o postgres.Options) supervise.Body {
	b := u.body(in.Name, func() (spec, error) {
		s := u.container(in)
		s.IP = u.place(in.Name)
		s.Image, s.Command, s.User = u.pg, storeCommand, account(storeID)
		if u.machine.desc.Disked(in.Name) {
			s.Bind = map[string]string{u.machine.disk(in.Name).Folder: storeDir}
		} else {
			s.Volume = map[string]string{u.machine.container(in.Name): storeDir}
		}
		o.Dir = storeDir
		env, err := storeEnv(o)
		s.Env = []string{env}
		return s, err
	})
	b.before = func(ctx context.Context) error { return u.machine.plug(ctx, in.Name) }
	u.stores = append(u.stores, b)
	return b
}

// account is a user and its group by their number.
func account(id int) string { return fmt.Sprintf("%d:%[1]d", id) }

// place is an instance's address in the network.
func (u *upcoming) place(instance string) netip.Addr {
	a, _ := netip.ParseAddrPort(u.machine.desc.Layout.Own[instance]) // ours: always well-formed
	return a.Addr()
}
