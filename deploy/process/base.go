package process

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/postgres"
	"github.com/bedlamlab/bedlam/deploy/relay"
	"github.com/bedlamlab/bedlam/topology"
)

// killTime bounds SIGKILL and its read-back: only a process that waits for a
// disk takes noticeable time to die.
const killTime = 5 * time.Second

// A base has the powers over a run's processes, whoever started them. It reads
// everything it needs from the scratch folder.
type base struct {
	files
	desc    description
	network *relay.Client
}

func newBase(f files, d description) base {
	return base{files: f, desc: d, network: relay.NewClient(d.Layout.Control, d.Token)}
}

// Topology returns the topology that was brought up.
func (b *base) Topology() topology.System { return b.desc.Topology }

// Address implements [deploy.System].
func (b *base) Address(caller, callee string) (string, error) {
	return b.desc.Layout.address(caller, callee)
}

// DSN implements [deploy.Databaser]: the roles are the services that keep
// their data in the store, and [deploy.AuditRole].
func (b *base) DSN(store, role string) (string, error) {
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

// find returns what is known of an instance.
func (b *base) find(instance string) (record, error) {
	if _, ok := b.desc.Layout.Own[instance]; !ok && instance != relayName {
		return record{}, fmt.Errorf("unknown instance %q", instance)
	}
	return b.record(instance)
}

// living is find for powers that need a process.
func (b *base) living(instance string) (record, error) {
	r, err := b.find(instance)
	if err == nil && !r.alive() {
		err = errGone
	}
	return r, err
}

func (b *base) pack(instance string, r record) pack {
	k := pack{folder: b.folder(instance)}
	if r.PID != 0 {
		k.roots = []identity{r.identity}
	}
	return k
}

// Inspect implements [deploy.Inspector]. A running instance is asked for its
// health, for at most a second.
func (b *base) Inspect(ctx context.Context, instance string) (deploy.State, error) {
	r, err := b.find(instance)
	if err != nil {
		return deploy.State{}, fmt.Errorf("inspecting: %w", err)
	}
	s := deploy.State{Phase: deploy.Down, Starts: r.Starts, Held: b.held(instance)}
	if !r.alive() {
		return s, nil
	}
	s.Phase, s.PID = deploy.Running, r.PID
	if frozen(r.PID) {
		s.Phase = deploy.Paused
		return s, nil
	}
	c, err := b.checkup(instance)
	if err != nil {
		return s, fmt.Errorf("inspecting %s: %w", instance, err)
	}
	defer c.close()
	s.Ready = c.once(ctx) == nil
	return s, ctx.Err()
}

func (b *base) checkup(instance string) (checkup, error) {
	if instance == relayName {
		return checkup{close: func() {}, ask: func(ctx context.Context) error {
			_, err := b.network.Rules(ctx)
			return err
		}}, nil
	}
	all := b.desc.Topology.Instances()
	in := all[slices.IndexFunc(all, func(in topology.Instance) bool { return in.Name == instance })]
	service, _ := b.desc.Topology.Service(in.Service)
	var dsn string
	if service.Protocol == topology.Postgres {
		dsn = storeDSN(b.desc.Stores[service.Name])
	}
	return examine(service.Protocol, b.desc.Layout.Own[instance], dsn)
}

// Kill implements [deploy.Killer]; it returns when nothing of the instance
// lives. An instance that does not run is an error.
func (b *base) Kill(ctx context.Context, instance string) error {
	r, err := b.living(instance)
	if err == nil {
		err = b.pack(instance, r).kill(ctx)
	}
	if err != nil {
		return fmt.Errorf("killing %s: %w", instance, err)
	}
	return nil
}

// Stop implements [deploy.Stopper]; it returns when the instance has ended,
// however long it drains: ctx is the limit. PostgreSQL gets the signal of a
// fast shutdown, which is what those who deploy it send: its SIGTERM waits for
// every pool to close by itself.
func (b *base) Stop(ctx context.Context, instance string) error {
	r, err := b.living(instance)
	if err == nil {
		err = r.signal(b.gentle(instance))
	}
	for err == nil && r.alive() {
		err = wait(ctx, glance)
	}
	if err != nil {
		return fmt.Errorf("stopping %s: %w", instance, err)
	}
	return nil
}

// gentle is the signal that asks an instance to end.
func (b *base) gentle(instance string) syscall.Signal {
	for service := range b.desc.Stores {
		for _, in := range b.desc.Topology.InstancesOf(service) {
			if in.Name == instance {
				return postgres.FastShutdown
			}
		}
	}
	return syscall.SIGTERM
}

// Pause implements [deploy.Pauser]: SIGSTOP to all of the instance's
// processes. It returns when every thread of them stands still.
func (b *base) Pause(ctx context.Context, instance string) error {
	r, err := b.living(instance)
	if err == nil {
		err = b.pack(instance, r).freeze(ctx)
	}
	if err != nil {
		return fmt.Errorf("pausing %s: %w", instance, err)
	}
	return nil
}

// Resume implements [deploy.Pauser].
func (b *base) Resume(ctx context.Context, instance string) error {
	r, err := b.find(instance)
	if err == nil {
		err = b.pack(instance, r).thaw(ctx)
	}
	if err != nil {
		return fmt.Errorf("resuming %s: %w", instance, err)
	}
	return nil
}
