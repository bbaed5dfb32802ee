// Package docker runs a system as containers of this machine's Docker daemon.
//
// [New] gives the engine. What it brings up is this:
//
//	bridge network of the run, a subnet of its own
//	 ├─ .1  this machine ────── loader, probes, audit; telemetry is forwarded from here
//	 ├─ .2  relay ───────────── a port for every link; control published on 127.0.0.1
//	 ├─ .3… service (each) ──── the shop's image, one static binary FROM scratch
//	 └─ …   PostgreSQL (each) ─ a real one, its data on a volume
//
//	in an instance's namespaces, as long as a fault of the kernel's lasts
//	 └─ bedlam impair ───────── does it, and undoes it when it is asked to end
//
// Every address is decided before anything starts and stays the same whatever is
// restarted. Package supervise keeps the containers as it keeps processes (the
// daemon's own restart policy is off), so that the same experiment means the
// same on both engines; here is what a container is and how it ends.
//
// Everything of a run carries the label dev.bedlam.run and a name that begins
// with bedlam-RUN, which is how [Engine.Sweep] finds it all whatever happened to
// the scratch folder. Images belong to no run: those of the same content are the
// same, and what nobody has used for a while goes when the next one is made.
//
// [NewAttached] gives the engine for containers that somebody else has started.
// They bear no such label; its scratch folder says which they are, and the
// label of their owner's consent is read back before each of them is touched.
package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/postgres"
	"github.com/bedlamlab/bedlam/deploy/supervise"
)

// schema is the version of the scratch folder's system.json.
const schema = "bedlam.docker/1"

// readyTime bounds the start of the whole system once its images are there: ten
// times what a machine with two cores takes.
const readyTime = 2 * time.Minute

// An Engine runs systems as containers.
type Engine struct{}

var (
	_ deploy.Engine  = (*Engine)(nil)
	_ deploy.Checker = (*Engine)(nil)
)

// New returns the engine. It does not look for a daemon yet.
func New() *Engine { return &Engine{} }

// Name returns "docker".
func (e *Engine) Name() string { return "docker" }

// Version says which daemon the engine would use. The error says in one line
// why it can use none.
func Version(ctx context.Context) (string, error) {
	d, err := connect(ctx)
	if err != nil {
		return "", err
	}
	defer d.close()
	return d.version, nil
}

// Check implements [deploy.Checker].
func (e *Engine) Check(ctx context.Context) error {
	_, err := Version(ctx)
	return err
}

// A reached system is one that another process started.
type reached struct {
	deploy.System
	machine *machine
}

// Unwrap lets its powers be seen.
func (s reached) Unwrap() deploy.System { return s.System }

// Close gives up what is kept open to the daemon.
func (s reached) Close() error {
	s.machine.plane.Close()
	return s.machine.daemon.close()
}

// Attach implements [deploy.Engine]. Down of what it returns is a sweep that
// leaves the scratch folder itself.
func (e *Engine) Attach(ctx context.Context, scratch string) (deploy.System, error) {
	fail := func(err error) error { return fmt.Errorf("attaching to %s: %w", scratch, err) }
	f, desc, err := supervise.Open(scratch, schema)
	if err != nil {
		return nil, fail(err)
	}
	d, err := connect(ctx)
	if err != nil {
		return nil, fail(err)
	}
	m := newMachine(d, f, desc)
	attached := supervise.Attach(f, desc, m, func(ctx context.Context) error {
		defer d.close()
		m.plane.Close()
		if err := d.sweep(ctx, desc.Run); err != nil {
			return err
		}
		if err := unplug(ctx, f); err != nil {
			return err
		}
		return f.Empty(false)
	})
	return reached{m.system(attached), m}, nil
}

// Sweep implements [deploy.Engine]: it removes the run's containers, its
// network and its volumes, and then the scratch folder. One thing it may have to
// leave, and warns of: a network that is empty and that the daemon keeps all the
// same, because it has lost count of what stood there. The next run after the
// daemon's restart removes it.
// It touches no folder that no run of this engine has marked as its own. A
// template of a database that the run was making for an image when it ended is
// no longer made, either.
func (e *Engine) Sweep(ctx context.Context, run, scratch string) error {
	fail := func(err error) error { return fmt.Errorf("sweeping run %s: %w", run, err) }
	_, missing := os.Stat(scratch)
	f, desc, err := supervise.ToSweep(run, scratch, schema)
	if err != nil {
		return fail(err)
	}
	if cache, err := postgres.CacheDir(); err == nil { // without one there was no run
		if err := postgres.Tidy(cache); err != nil {
			return fail(err)
		}
	}
	if run == "" {
		run = desc.Run
	}
	// The daemon is asked for nothing before the folder is marked. But one that
	// is not there at all may have been lost with the machine's temporary
	// files, and containers outlive a reboot.
	if desc.Schema == "" && (run == "" || !errors.Is(missing, fs.ErrNotExist)) {
		return nil
	}
	d, err := connect(ctx)
	if err != nil {
		return fail(err)
	}
	defer d.close()
	if err := d.sweep(ctx, run); err != nil {
		return fail(err)
	}
	if err := unplug(ctx, f); err != nil {
		return fail(err)
	}
	if err := f.Empty(true); err != nil {
		return fail(err)
	}
	return nil
}
