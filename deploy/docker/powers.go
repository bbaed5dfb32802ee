package docker

import (
	"context"
	"errors"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/impair"
	"github.com/bedlamlab/bedlam/deploy/supervise"
)

// A machine is the daemon, and one run's containers on it.
type machine struct {
	daemon      *daemon
	files       supervise.Files
	desc        supervise.Description
	exhaustedAt sync.Map // instance → when the life began on which exhaust was at work last
	plane       *impair.Plane
}

// newMachine returns the machine of the run that desc describes, of which the
// scratch folder holds the files.
func newMachine(d *daemon, f supervise.Files, desc supervise.Description) *machine {
	m := &machine{daemon: d, files: f, desc: desc}
	own := f.Folder("impair")
	m.plane = impair.Over(own, m.target,
		&hands{daemon: d, run: desc.Run, here: here{impair.Local(own, desc.Bedlam)}, lines: map[string]*line{}, tried: map[string]bool{}})
	return m
}

// Lacks says what would give the system a power that it has not got, see
// [deploy.Power].
func (m *machine) Lacks(power string) string {
	switch power {
	case "Impairer":
		return "--engine process has the kernel harm instances, as root on Linux"
	case "Namer":
		return "its containers were told addresses when they were made: a run has names if one of its faults needs them"
	case "Filer":
		return "its stores keep their files on volumes: a run gives each a disk of its own if one of its faults needs it, as root on Linux"
	}
	return ""
}

// container is the name of an instance's container.
func (m *machine) container(instance string) string { return containerName(m.desc.Run, instance) }

// Look implements [supervise.Machine].
func (m *machine) Look(ctx context.Context, instance string) (deploy.Phase, int, error) {
	return m.daemon.look(ctx, m.container(instance))
}

// look reads a container's phase back.
func (d *daemon) look(ctx context.Context, id string) (deploy.Phase, int, error) {
	v, err := d.inspect(ctx, id)
	switch {
	case errors.Is(err, errUnknown):
		return deploy.Down, 0, nil
	case err != nil:
		return "", 0, err
	case v.Paused:
		return deploy.Paused, v.PID, nil
	case v.Running:
		return deploy.Running, v.PID, nil
	}
	return deploy.Down, 0, nil
}

// Kill implements [deploy.Killer]: SIGKILL to the container's first process,
// with which the kernel ends all others. One that is paused is thawed for it.
func (m *machine) Kill(ctx context.Context, instance string) error {
	return m.end(ctx, instance, syscall.SIGKILL)
}

// Stop implements [deploy.Stopper].
func (m *machine) Stop(ctx context.Context, instance string) error {
	return m.end(ctx, instance, m.desc.Gentle(instance))
}

func (m *machine) end(ctx context.Context, instance string, sig syscall.Signal) error {
	v, err := m.daemon.inspect(ctx, m.container(instance))
	if err != nil {
		return gone(err)
	}
	return m.daemon.endLife(ctx, v, unix.SignalName(sig))
}

// endLife sends a signal to a container and returns when the life is over that
// it was seen in.
func (d *daemon) endLife(ctx context.Context, seen view, sig string) error {
	if err := d.signal(ctx, seen.ID, sig); err != nil {
		return gone(err)
	}
	return d.over(ctx, seen)
}

// Pause implements [deploy.Pauser], by the kernel's freezer.
func (m *machine) Pause(ctx context.Context, instance string) error {
	return gone(m.daemon.pause(ctx, m.container(instance)))
}

// Resume implements [deploy.Pauser].
func (m *machine) Resume(ctx context.Context, instance string) error {
	err := m.daemon.unpause(ctx, m.container(instance))
	if err = gone(err); errors.Is(err, supervise.ErrGone) {
		return nil
	}
	return err
}

// gone tells of a container that does not run in the words of all engines.
func gone(err error) error {
	if errors.Is(err, errGone) || errors.Is(err, errUnknown) {
		return supervise.ErrGone
	}
	return err
}
