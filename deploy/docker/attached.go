package docker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/attach"
	"github.com/bedlamlab/bedlam/deploy/postgres"
	"github.com/bedlamlab/bedlam/deploy/supervise"
	"github.com/bedlamlab/bedlam/topology"
)

// guestSchema is the version of the scratch folder's system.json.
const guestSchema = "bedlam.attached/1"

// An Attached is the engine for containers that somebody else has started. It
// starts and removes none; it breaks those whose label [deploy.LabelChaos] says
// that it may, starts again those that it, or a crash, has ended, and at the end
// all run that ran.
//
// There is no relay between them, so that it has no Shaper. It has a Databaser
// for the stores that the file names.
type Attached struct{ file attach.File }

var _ deploy.Engine = (*Attached)(nil)

// NewAttached returns the engine for the system in f. Attach and Sweep need
// nothing of it.
func NewAttached(f attach.File) *Attached { return &Attached{file: f} }

// Name returns "attached".
func (e *Attached) Name() string { return "attached" }

// Check implements [deploy.Checker].
func (e *Attached) Check(ctx context.Context) error {
	_, err := Version(ctx)
	return err
}

// Ready says in one line why the system could not be attached to: a container
// that is not there, does not run or whose owner has not consented, or another
// run that is breaking it.
func (e *Attached) Ready(ctx context.Context) error {
	d, err := connect(ctx)
	if err != nil {
		return err
	}
	defer d.close()
	_, c, err := d.take(ctx, e.file)
	c.release()
	return err
}

// take finds the system's containers and claims them.
func (d *daemon) take(ctx context.Context, f attach.File) (map[string]view, claims, error) {
	found, err := d.find(ctx, f)
	if err != nil {
		return nil, nil, err
	}
	c, err := claim(found)
	return found, c, err
}

// Up implements [deploy.Engine]: it attaches, and returns when every instance
// is healthy.
func (e *Attached) Up(ctx context.Context, p deploy.Plan) (deploy.System, error) {
	fail := func(err error) error { return fmt.Errorf("attaching to %s: %w", p.Topology.Name, err) }
	if err := supervise.Ready(&p); err != nil {
		return nil, fail(err)
	}
	d, err := connect(ctx)
	if err != nil {
		return nil, fail(err)
	}
	found, claimed, err := d.take(ctx, e.file)
	if err != nil {
		d.close()
		return nil, fail(err)
	}
	desc := supervise.Description{Schema: guestSchema, Run: p.Run, Topology: p.Topology, Layout: e.layout(p.Topology), Guests: map[string]string{},
		GuestStores: e.file.Stores}
	for in, v := range found {
		desc.Guests[in] = v.ID
	}
	f := supervise.Files{Scratch: p.Scratch}
	g := &guests{daemon: d, desc: desc, stores: e.file.Stores}
	clear := func(ctx context.Context) error {
		defer d.close()
		defer claimed.release()
		return errors.Join(g.restoreAll(ctx, 1), f.Empty(false))
	}
	if err := f.Make(desc); err != nil {
		return nil, fail(errors.Join(err, clear(ctx)))
	}
	s := supervise.New(f, desc, p, supervise.Outfit{
		Machine: g, Guests: true, Clear: clear, EndTime: endTime,
		Service: func(in topology.Instance, _ supervise.Told) supervise.Body { return &guest{g, in.Name} },
		Store:   func(in topology.Instance, _ postgres.Options) supervise.Body { return &guest{g, in.Name} },
	})
	ctx, cancel := context.WithTimeoutCause(ctx, healthyTime, fmt.Errorf("not ready after %s", healthyTime))
	defer cancel()
	if err := s.Start(ctx); err != nil {
		return nil, fail(err)
	}
	return e.powers(s, g), nil
}

// healthyTime bounds the wait for what runs already to be healthy: a container
// that was started just before may need as long as one that a fault ended.
const healthyTime = 20 * time.Second

// layout says where instances are, as far as the file does. Customers come in
// by the addresses themselves.
func (e *Attached) layout(t topology.System) supervise.Layout {
	l := supervise.Layout{Own: map[string]string{}, Links: map[string]string{}}
	for _, in := range t.Instances() {
		l.Own[in.Name] = e.file.Addresses[in.Name]
	}
	for _, in := range e.file.Entries() {
		l.Links[topology.Link{From: t.InstancesOf(topology.Loader)[0].Name, To: in.Name}.String()] = e.file.Addresses[in.Name]
	}
	return l
}

// guestPowers are all that there are over containers of somebody else's.
type guestPowers interface {
	deploy.System
	deploy.Inspector
	deploy.Killer
	deploy.Stopper
	deploy.Pauser
	deploy.Holder
}

// A guestSystem hides the powers that a supervised system has and this one has
// not.
type guestSystem struct{ guestPowers }

// Lacks says why there is a power that it has not got, see [deploy.Power].
func (guestSystem) Lacks(power string) string {
	switch power {
	case "Shaper":
		return "there is no relay between containers that Bedlam has not started"
	case "Exhauster", "Impairer":
		return "nothing of Bedlam is in containers that it has not made"
	case "Namer":
		return "how containers that Bedlam has not started find one another is their owner's affair"
	}
	return ""
}

func (e *Attached) powers(s guestPowers, g *guests) deploy.System {
	if len(g.stores) == 0 {
		return guestSystem{s}
	}
	return struct {
		guestSystem
		deploy.Databaser
	}{guestSystem{s}, g}
}

// Attach implements [deploy.Engine]. Down of what it returns puts all of the
// containers right.
func (e *Attached) Attach(ctx context.Context, scratch string) (deploy.System, error) {
	fail := func(err error) error { return fmt.Errorf("attaching to %s: %w", scratch, err) }
	f, desc, err := supervise.Open(scratch, guestSchema)
	if err != nil {
		return nil, fail(err)
	}
	d, err := connect(ctx)
	if err != nil {
		return nil, fail(err)
	}
	g := &guests{daemon: d, desc: desc, stores: desc.GuestStores}
	s := supervise.Attach(f, desc, g, func(ctx context.Context) error {
		defer d.close()
		return errors.Join(g.restoreAll(ctx, 1), f.Empty(false))
	})
	return &orphans{s.(guestPowers), g}, nil
}

// orphans are guests whose keepers are gone, or hang.
type orphans struct {
	guestPowers
	guests *guests
}

// Close gives up what is kept open to the daemon.
func (o *orphans) Close() error { return o.guests.daemon.close() }

// DSN implements [deploy.Databaser].
func (o *orphans) DSN(store, role string) (string, error) { return o.guests.DSN(store, role) }

// Release implements [deploy.Holder]. Nobody else may be there to start it; a
// keeper that wakes up takes what it finds.
func (o *orphans) Release(ctx context.Context, instance string) error {
	if err := o.guestPowers.Release(ctx, instance); err != nil {
		return err
	}
	return o.guests.restore(ctx, instance)
}

// Sweep implements [deploy.Engine]: it puts right the containers that the
// scratch folder names, and removes that folder and nothing else. It looks
// twice: what a killed process asked for may be done after its death.
func (e *Attached) Sweep(ctx context.Context, run, scratch string) error {
	fail := func(err error) error { return fmt.Errorf("sweeping run %s: %w", run, err) }
	f, desc, err := supervise.ToSweep(run, scratch, guestSchema)
	if err != nil {
		return fail(err)
	}
	if desc.Schema == "" {
		return nil
	}
	d, err := connect(ctx)
	if err != nil {
		return fail(err)
	}
	defer d.close()
	g := &guests{daemon: d, desc: desc}
	if err := g.restoreAll(ctx, 2); err != nil {
		return fail(err)
	}
	if err := f.Empty(true); err != nil {
		return fail(err)
	}
	return nil
}
