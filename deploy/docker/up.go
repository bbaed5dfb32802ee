package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/supervise"
)

// endTime bounds the end of everything: of some twenty containers at once it
// takes a few seconds.
const endTime = 30 * time.Second

// Up implements [deploy.Engine]. Images are made first, where they are not there
// yet; then everything starts at once, but for services with a store, which
// wait until it answers; it returns when every instance is healthy.
func (e *Engine) Up(ctx context.Context, p deploy.Plan) (deploy.System, error) {
	fail := func(err error) error { return fmt.Errorf("bringing %s up: %w", p.Topology.Name, err) }
	if err := supervise.Ready(&p); err != nil {
		return nil, fail(err)
	}
	d, err := connect(ctx)
	if err != nil {
		return nil, fail(err)
	}
	u := &upcoming{engine: e, daemon: d, plan: p, files: supervise.Files{Scratch: p.Scratch}, slots: make(chan struct{}, busy)}
	u.life, u.stop = context.WithCancel(context.WithoutCancel(ctx))
	if err := u.lay(ctx); err != nil {
		return nil, fail(errors.Join(err, u.undo(ctx)))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, e.options.Patience, fmt.Errorf("not ready after %s", e.options.Patience))
	defer cancel()
	s := supervise.New(u.files, u.machine.desc, u.plan, supervise.Outfit{
		Machine: u.machine, Service: u.service, Store: u.store, Relay: u.relay,
		Clear: u.clear, EndTime: endTime,
	})
	u.make()
	if err := s.Start(ctx); err != nil {
		return nil, fail(err)
	}
	return exhaustible{s, u.machine}, nil
}

// upcoming is a system on its way up, and what it needs besides its containers
// as long as it is.
type upcoming struct {
	engine  *Engine
	daemon  *daemon
	plan    deploy.Plan
	files   supervise.Files
	ports   *supervise.Block
	machine *machine
	network *network
	shop    string // images
	pg      string

	relays, stores, services []*body
	slots                    chan struct{}
	making                   sync.WaitGroup

	life context.Context // of what is done beside the keepers
	stop context.CancelFunc
}

// lay lays everything out before the first container: the scratch folder, the
// images, the network and all addresses. The folder is marked before the daemon
// is asked for anything, and described when everything is known.
func (u *upcoming) lay(ctx context.Context) (err error) {
	p := u.plan
	if err := u.files.Make(supervise.Description{Schema: schema, Run: p.Run, Topology: p.Topology}); err != nil {
		return err
	}
	if u.shop, err = u.daemon.shopImage(ctx, p.Run, p.Shop, p.Bedlam, u.progress); err != nil {
		return err
	}
	if slices.ContainsFunc(p.Topology.Services, supervise.IsStore) {
		cache, err := u.engine.cache()
		if err != nil {
			return err
		}
		if u.pg, err = u.daemon.storeImage(ctx, p.Run, cache, p.Bedlam, u.progress); err != nil {
			return err
		}
	}
	if u.network, err = u.daemon.makeNetwork(ctx, p.Run); err != nil {
		return err
	}
	if p.Telemetry != "" {
		if u.plan.Telemetry, err = u.network.forward(u.life, p.Telemetry); err != nil {
			return err
		}
	}
	if u.ports, err = supervise.TakeBlock(1); err != nil {
		return err
	}
	l, err := u.layout()
	if err != nil {
		return err
	}
	u.machine = &machine{daemon: u.daemon, desc: supervise.Describe(schema, u.plan, l)}
	return u.files.Describe(u.machine.desc)
}

func (u *upcoming) progress(text string) {
	if u.plan.Progress != nil {
		u.plan.Progress(text)
	}
}

<<<<<<< HEAD
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

// Limits of what the topology does not limit: many times what a service or a
// server takes.
const (
	serviceMemory = 256 << 20
	storeMemory   = 1 << 30
)

// container is what the containers of all instances have in common: they can do
// nothing but what their program does.
func (u *upcoming) container(in topology.Instance, memory int64) spec {
	v, _ := u.plan.Topology.Service(in.Service)
	if v.Limits.Memory != 0 {
		memory = v.Limits.Memory
	}
	cpus := v.Limits.CPUs
	if cpus >= float64(runtime.NumCPU()) {
		cpus = 0 // more than there are is no limit, and the daemon refuses it
	}
	s := u.any(in.Name)
	s.Memory, s.CPUs = memory, cpus
	// As large as what the instance may take, so that it is the limit on
	// memory that is met first.
	s.Tmpfs = map[string]int64{tmp: memory}
	s.Labels = map[string]string{serviceLabel: in.Service}
	return s
}

// serviceLabel says which service a container is of.
const serviceLabel = "dev.bedlam.service"

// any is what all containers have in common.
func (u *upcoming) any(name string) spec {
	return spec{Run: u.plan.Run, Instance: name, Name: u.machine.container(name), Network: u.network.ID, ReadOnly: true}
}

func (u *upcoming) body(name string, spec func() (spec, error)) *body {
	return &body{machine: u.machine, instance: name, slots: u.slots, spec: spec}
}

func (u *upcoming) service(in topology.Instance, told supervise.Told) supervise.Body {
	b := u.body(in.Name, func() (spec, error) {
		text, err := told()
		s := u.container(in, serviceMemory)
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
		s := u.container(in, storeMemory)
		s.IP = u.place(in.Name)
		s.Image, s.Command, s.User = u.pg, storeCommand, account(storeID)
		s.Volume = map[string]string{s.Name: storeDir}
		o.Dir = storeDir
		env, err := storeEnv(o)
		s.Env = []string{env}
		return s, err
	})
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

=======
>>>>>>> containers
// make begins to make all containers, in the order in which they will be
// needed. What fails is tried again, and told, by its keeper.
func (u *upcoming) make() {
	u.making.Go(func() {
		for _, b := range slices.Concat(u.relays, u.stores, u.services) {
			select {
			case u.slots <- struct{}{}: // in this order
			case <-u.life.Done():
				return
			}
			<-u.slots
			u.making.Go(func() { b.Prepare(u.life) })
		}
	})
}

// clear removes everything of the run, when its keepers have gone.
func (u *upcoming) clear(ctx context.Context) error { return u.empty(ctx, 1) }

func (u *upcoming) empty(ctx context.Context, looks int) error {
	u.stop()
	u.making.Wait()
	defer u.daemon.close()
	if u.ports != nil {
		defer u.ports.Release()
	}
	if err := u.daemon.empty(ctx, u.plan.Run, looks); err != nil {
		return err
	}
	return u.files.Empty(false)
}

// undo is clear for a system of which nothing has run. What was asked for when
// we were cut short may still come.
func (u *upcoming) undo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer cancel()
	return u.empty(ctx, 2)
}
