package process

import (
	"context"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/impair"
	"github.com/bedlamlab/bedlam/deploy/supervise"
)

// killTime bounds SIGKILL and its read-back: only a process that waits for a
// disk takes noticeable time to die.
const killTime = 5 * time.Second

// A machine is this one, and what stands in a run's scratch folder of it.
type machine struct {
	supervise.Files
	desc  supervise.Description
	plane *impair.Plane
}

func newMachine(f supervise.Files, d supervise.Description) machine {
	m := machine{Files: f, desc: d}
	m.plane = impair.New(f.Folder("impair"), d.Bedlam, func(_ context.Context, instance string) (impair.Target, error) { return m.target(instance) })
	return m
}

// living returns the identity of an instance's process.
func (m machine) living(instance string) (identity, error) {
	r, err := m.Record(instance)
	if id := identity(r.Identity); err != nil || id.alive() {
		return id, err
	}
	return identity{}, supervise.ErrGone
}

// Lacks implements what [deploy.Power] asks for.
func (m machine) Lacks(power string) string {
	switch power {
	case "Exhauster":
		return "its instances are processes without a cgroup that limits their memory: --isolation full gives them one, as root on Linux, and so does --engine docker"
	case "Namer":
		return m.nameless()
	}
	return ""
}

func (m machine) pack(instance string, id identity) pack {
	k := pack{folder: m.Folder(instance)}
	if id.PID != 0 {
		k.roots = []identity{id}
	}
	return k
}

// Look implements [supervise.Machine].
func (m machine) Look(_ context.Context, instance string) (deploy.Phase, int, error) {
	r, err := m.Record(instance)
	switch id := identity(r.Identity); {
	case err != nil:
		return "", 0, err
	case !id.alive():
		return deploy.Down, 0, nil
	case frozen(id.PID):
		return deploy.Paused, id.PID, nil
	default:
		return deploy.Running, id.PID, nil
	}
}

// Kill implements [deploy.Killer]: SIGKILL to all of the instance's processes.
func (m machine) Kill(ctx context.Context, instance string) error {
	id, err := m.living(instance)
	if err != nil {
		return err
	}
	return m.pack(instance, id).kill(ctx)
}

// Stop implements [deploy.Stopper].
func (m machine) Stop(ctx context.Context, instance string) error {
	id, err := m.living(instance)
	if err == nil {
		err = id.signal(m.desc.Gentle(instance))
	}
	for err == nil && id.alive() {
		err = supervise.Sleep(ctx, glance)
	}
	return err
}

// Pause implements [deploy.Pauser]: SIGSTOP to all of the instance's
// processes. It returns when every thread of them stands still.
func (m machine) Pause(ctx context.Context, instance string) error {
	id, err := m.living(instance)
	if err != nil {
		return err
	}
	return m.pack(instance, id).freeze(ctx)
}

// Resume implements [deploy.Pauser].
func (m machine) Resume(ctx context.Context, instance string) error {
	r, err := m.Record(instance)
	if err != nil {
		return err
	}
	return m.pack(instance, identity(r.Identity)).thaw(ctx)
}
