package supervise

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/postgres"
	"github.com/bedlamlab/bedlam/deploy/relay"
	"github.com/bedlamlab/bedlam/topology"
)

var (
	// ErrGone is what a power over an instance that does not run answers.
	ErrGone = errors.New("it is not running")
	// ErrOOMKilled is what a life's end is if the kernel ended it for want of
	// memory, see [Life].
	ErrOOMKilled = errors.New("out of memory")
)

// A Machine is where instances run: it says what is true there, and acts on it
// at once. It is only asked for instances that there are, [Relay] among them.
type Machine interface {
	// Look reads one instance's phase back, and its process id; 0 unless it
	// runs or is paused.
	Look(ctx context.Context, instance string) (deploy.Phase, int, error)
	// Kill, Stop and Pause of an instance that is down are ErrGone. Each
	// returns when a read-back shows that it is so.
	deploy.Killer
	deploy.Stopper
	deploy.Pauser
}

// An Asker is a machine that knows by itself how an instance is asked for its
// health: nil if it wants requests.
type Asker interface {
	Healthy(ctx context.Context, instance string) error
}

// A Base has the powers over a run's instances, whoever started them. It reads
// everything it needs from the scratch folder and the machine.
type Base struct {
	Files
	desc    Description
	machine Machine
	network *relay.Client
}

// newBase returns the powers over the system that d describes.
func newBase(f Files, d Description, m Machine) Base {
	return Base{Files: f, desc: d, machine: m, network: relay.NewClient(d.Layout.Control, d.Token)}
}

// Topology returns the topology that was brought up.
func (b *Base) Topology() topology.System { return b.desc.Topology }

// Address implements [deploy.System].
func (b *Base) Address(caller, callee string) (string, error) {
	return b.desc.Layout.Address(caller, callee)
}

// DSN implements [deploy.Databaser]: the roles are the services that keep
// their data in the store, and [deploy.AuditRole].
func (b *Base) DSN(store, role string) (string, error) {
	o, ok := b.desc.Stores[store]
	if !ok {
		// An instance's name does as well: postgres-1 is postgres.
		at := slices.IndexFunc(b.desc.Topology.Instances(), func(in topology.Instance) bool { return in.Name == store })
		if at >= 0 {
			o, ok = b.desc.Stores[b.desc.Topology.Instances()[at].Service]
		}
	}
	if !ok {
		return "", fmt.Errorf("there is no store %q", store)
	}
	if !slices.ContainsFunc(o.Roles, func(r postgres.Role) bool { return r.Name == role }) {
		return "", fmt.Errorf("store %s has no role %q", store, role)
	}
	return postgres.DSN(o, role), nil
}

// Login implements [deploy.Insider].
func (b *Base) Login(store, service string) (string, error) {
	if v, ok := b.desc.Topology.Service(service); !ok || v.Store == "" {
		return "", fmt.Errorf("%q is no service that keeps its data in a store", service)
	}
	return b.DSN(store, service)
}

// known returns an error unless there is such an instance.
func (b *Base) known(instance string) error {
	if _, ok := b.desc.Layout.Own[instance]; !ok && !(instance == Relay && b.desc.relayed()) {
		return fmt.Errorf("unknown instance %q", instance)
	}
	return nil
}

// Inspect implements [deploy.Inspector]. A running instance is asked for its
// health, for at most a second (a guest for longer, see [Asker]).
func (b *Base) Inspect(ctx context.Context, instance string) (deploy.State, error) {
	fail := func(err error) error { return fmt.Errorf("inspecting %s: %w", instance, err) }
	if err := b.known(instance); err != nil {
		return deploy.State{}, fail(err)
	}
	phase, pid, err := b.machine.Look(ctx, instance)
	if err != nil {
		return deploy.State{}, fail(err)
	}
	r, err := b.Record(instance)
	if err != nil {
		return deploy.State{}, fail(err)
	}
	s := deploy.State{Phase: phase, PID: pid, Starts: r.Starts, Held: b.held(instance), OOMKills: r.OOMKills}
	if s.Phase != deploy.Running {
		return s, nil
	}
	c, err := b.checkup(instance)
	if err != nil {
		return s, fail(err)
	}
	defer c.close()
	s.Ready = c.once(ctx) == nil
	return s, ctx.Err()
}

// Lacks says what would give the machine a power that it has not got, if the
// machine knows; see [deploy.Power].
func (b *Base) Lacks(power string) string {
	if l, ok := b.machine.(interface{ Lacks(power string) string }); ok {
		return l.Lacks(power)
	}
	return ""
}

func (b *Base) checkup(instance string) (checkup, error) {
	if m, ok := b.machine.(Asker); ok {
		return checkup{close: func() {}, most: guestTime, ask: func(ctx context.Context) error { return m.Healthy(ctx, instance) }}, nil
	}
	if instance == Relay {
		return checkup{close: func() {}, ask: func(ctx context.Context) error {
			_, err := b.network.Rules(ctx)
			return err
		}}, nil
	}
	all := b.desc.Topology.Instances()
	in := all[slices.IndexFunc(all, func(in topology.Instance) bool { return in.Name == instance })]
	service, _ := b.desc.Topology.Service(in.Service)
	var dsn string
	if IsStore(service) {
		dsn = storeDSN(b.desc.Stores[service.Name])
	}
	return examine(service.Protocol, b.desc.Layout.Own[instance], dsn)
}

// Kill implements [deploy.Killer]; it returns when nothing of the instance
// lives. An instance that does not run is an error.
func (b *Base) Kill(ctx context.Context, instance string) error {
	return b.act(ctx, "killing", instance, b.machine.Kill)
}

// Stop implements [deploy.Stopper]; it returns when the instance has ended,
// however long it drains: ctx is the limit. PostgreSQL gets the signal of a
// fast shutdown, which is what those who deploy it send: its SIGTERM waits for
// every pool to close by itself.
func (b *Base) Stop(ctx context.Context, instance string) error {
	return b.act(ctx, "stopping", instance, b.machine.Stop)
}

// Pause implements [deploy.Pauser] for all of the instance's processes. It
// returns when every thread of them stands still.
func (b *Base) Pause(ctx context.Context, instance string) error {
	return b.act(ctx, "pausing", instance, b.machine.Pause)
}

// Resume implements [deploy.Pauser].
func (b *Base) Resume(ctx context.Context, instance string) error {
	return b.act(ctx, "resuming", instance, b.machine.Resume)
}

// End implements [Ender].
func (b *Base) End(ctx context.Context, what, instance string, by func(context.Context, string) error) error {
	return b.act(ctx, what, instance, by)
}

func (b *Base) act(ctx context.Context, what, instance string, do func(context.Context, string) error) error {
	err := b.known(instance)
	if err == nil {
		err = do(ctx, instance)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", what, instance, err)
	}
	return nil
}

// Sleep pauses for d, or until ctx is done, whose cause it then returns.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
