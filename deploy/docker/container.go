package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/supervise"
)

var (
	// errGone says that a container that should run does not.
	errGone = errors.New("it is not running")
	// errUnknown says that there is no such container, any more or yet.
	errUnknown = errors.New("there is no such container")
	errNoRun   = errors.New("the run has no name")
)

// start starts a container, for the first time or again. One that runs is no
// error.
func (d *daemon) start(ctx context.Context, id string) error {
	if _, err := d.api.ContainerStart(ctx, id, client.ContainerStartOptions{}); err != nil {
		return fmt.Errorf("starting container: %w", plain(err))
	}
	return nil
}

// of is the filter for what belongs to a run and to no other.
func of(run string) client.Filters { return client.Filters{}.Add("label", deploy.LabelRun+"="+run) }

// kill sends a signal to a container's first process; SIGKILL ends all of its
// processes, also of a paused one, and then kill returns when they are gone. A
// container that does not run is errGone.
func (d *daemon) kill(ctx context.Context, id string, sig syscall.Signal) error {
	return d.signal(ctx, id, unix.SignalName(sig))
}

// signal is kill for a signal as a container's owner writes it: a name or a
// number.
func (d *daemon) signal(ctx context.Context, id, sig string) error {
	if _, err := d.api.ContainerKill(ctx, id, client.ContainerKillOptions{Signal: sig}); err != nil {
		return fmt.Errorf("sending %s: %w", sig, plain(err))
	}
	return nil
}

// pause freezes all processes of a container. A paused one is no error, one
// that does not run is errGone.
func (d *daemon) pause(ctx context.Context, id string) error {
	_, err := d.api.ContainerPause(ctx, id, client.ContainerPauseOptions{})
	if err == nil {
		return nil
	}
	if v, e := d.inspect(ctx, id); e == nil && v.Paused {
		return nil
	}
	return fmt.Errorf("pausing container: %w", plain(err))
}

// unpause thaws a container. One that is not paused, or does not run any more,
// is no error.
func (d *daemon) unpause(ctx context.Context, id string) error {
	_, err := d.api.ContainerUnpause(ctx, id, client.ContainerUnpauseOptions{})
	if err == nil {
		return nil
	}
	if v, e := d.inspect(ctx, id); e == nil && !v.Paused {
		return nil
	}
	return fmt.Errorf("resuming container: %w", plain(err))
}

// An exit is how a container's life ended.
type exit struct {
	Code int // 128 and the signal's number if one ended it
	// OOMKilled says that it ended for want of memory. If not, it may have all
	// the same: what the kernel says of that is lost when the container has
	// gone before it was heard, for which a busy machine is enough.
	OOMKilled bool
}

// wait returns when a container does not run, and how it ended. One that has
// never been started counts as ended.
func (d *daemon) wait(ctx context.Context, id string) (exit, error) {
	fail := func(err error) (exit, error) {
		return exit{}, fmt.Errorf("waiting for a container's end: %w", plain(err))
	}
	w := d.api.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	// One of the two comes, also when ctx ends: leaving before would leave the
	// client's goroutine behind.
	select {
	case err := <-w.Error:
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fail(err)
	case r := <-w.Result:
		if r.Error != nil && r.Error.Message != "" {
			return fail(errors.New(r.Error.Message))
		}
		e := exit{Code: int(r.StatusCode)}
		v, err := d.inspect(ctx, id)
		switch {
		case errors.Is(err, errUnknown): // removed meanwhile
		case err != nil:
			return fail(err)
		default:
			if e.OOMKilled, err = d.oomKilled(ctx, v); err != nil {
				return fail(err)
			}
		}
		return e, nil
	}
}

// remove removes a container, running or not, and returns when it is gone. One
// that is gone already is no error.
func (d *daemon) remove(ctx context.Context, id string) error {
	_, err := d.api.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	for errdefs.IsConflict(err) { // somebody else is removing it
		if _, err = d.inspect(ctx, id); err == nil {
			if err := supervise.Sleep(ctx, glance); err != nil {
				return fmt.Errorf("removing container: %w", err)
			}
			_, err = d.api.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		}
	}
	if err == nil || errdefs.IsNotFound(err) || errors.Is(err, errUnknown) {
		return nil
	}
	return fmt.Errorf("removing container: %w", err)
}

// glance is the pause between two looks at something that the daemon does not
// tell of.
const glance = 20 * time.Millisecond

// plain translates the daemon's errors into ours.
func plain(err error) error {
	switch {
	case err == nil || errors.Is(err, errUnknown) || errors.Is(err, errGone):
		return err
	case errdefs.IsNotFound(err) && strings.Contains(strings.ToLower(err.Error()), "no such container"):
		return fmt.Errorf("%w: %w", errUnknown, err)
	case errdefs.IsConflict(err) && strings.Contains(err.Error(), "is not running"):
		return errGone
	}
	return err
}
