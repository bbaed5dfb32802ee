package docker

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/bedlamlab/bedlam/deploy/impair"
	"github.com/bedlamlab/bedlam/deploy/supervise"
)

// beside does a job from a container of ours that joins some of the instance's
// namespaces, and is of the same image: it does the harm, waits, and undoes it
// when it is asked to end or when whoever asked for it has died. It is the run's,
// so that a sweep finds it.
type beside struct {
	*hands
	joins func(j *impair.Job, v view) spec // how, and what the job is to it
	tries bool                             // where nobody is
}

var _ way = beside{}

const (
	// besideMemory is for the packets that wait, of which a Go program has their
	// numbers only, and for that program.
	besideMemory = 256 << 20
	// besideTime bounds the end of who undoes a harm: some ms, on any machine.
	besideTime = 2 * time.Second
	// root is who has capabilities in a container; without them he is nobody.
	root = "0:0"
	tun  = "/dev/net/tun"
)

// outfit is what all containers of this kind have in common.
func (h *hands) outfit(v view) spec {
	return spec{Run: h.run, Image: v.Image, Command: impairing, ReadOnly: true, Stdin: true, Memory: besideMemory}
}

// joinsNetwork is for harms to packets.
func (h *hands) joinsNetwork(j *impair.Job, v view) spec {
	s := h.outfit(v)
	s.Join, s.User, s.Capabilities = v.ID, root, []string{"NET_ADMIN"}
	if j.Impairment.Kind == impair.PacketDuplicate { // copies come in by a device
		s.Device = tun
	}
	return s
}

// joinsAccount is for what is changed in the memory of a process. A container's
// first process cannot be stopped from within its own namespace, so that this one
// is in the machine's; of all that it sees there, it may touch what belongs to the
// instance's account.
func (h *hands) joinsAccount(j *impair.Job, v view) spec {
	s := h.outfit(v)
	s.PID, s.User = "host", v.User
	if j.Target.PID != 0 {
		j.Target.PID = v.PID
	}
	return s
}

func (b beside) can(ctx context.Context, j impair.Job, v view) error {
	if !b.tries {
		if !v.Running {
			return nil // to be seen when it is up
		}
		s := b.joins(&j, v)
		return b.once(ctx, s, func(t *impair.Talk) error { return t.Can(j) })
	}
	b.trying.Lock()
	defer b.trying.Unlock()
	if b.tried[j.Impairment.Kind] {
		return nil
	}
	s := b.joins(&j, v)
	s.Join = ""
	err := b.once(ctx, s, func(t *impair.Talk) error { return t.Try(j.Impairment) })
	b.tried[j.Impairment.Kind] = err == nil
	return err
}

func (b beside) do(ctx context.Context, j impair.Job, v view, save func(json.RawMessage) error) error {
	s := b.joins(&j, v)
	s.Instance = named(j)
	if err := b.daemon.remove(ctx, containerName(b.run, s.Instance)); err != nil { // of an earlier life
		return err
	}
	id, err := b.daemon.create(ctx, s)
	if err != nil {
		return err
	}
	l, err := b.daemon.callMain(ctx, id)
	if err != nil {
		return err
	}
	return b.hold(ctx, j, l, save)
}

// once has a container of its own asked for one thing.
func (b beside) once(ctx context.Context, s spec, ask func(*impair.Talk) error) (err error) {
	s.Instance = "impair-once-" + strings.ToLower(rand.Text())
	defer func() { // also one that was made after we had given up
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), makeTime)
		defer cancel()
		err = errors.Join(err, b.daemon.remove(last, containerName(b.run, s.Instance)))
	}()
	id, err := b.daemon.create(ctx, s)
	if err != nil {
		return err
	}
	l, err := b.daemon.callMain(ctx, id)
	if err != nil {
		return err
	}
	defer l.close()
	return l.say(ctx, ask)
}

// who says what the daemon knows of the one that does a job.
func (b beside) who(ctx context.Context, j impair.Job) (id string, v view, err error) {
	id = containerName(b.run, named(j))
	v, err = b.daemon.inspect(ctx, id)
	return id, v, err
}

func (b beside) undo(ctx context.Context, j impair.Job, v view) error {
	id, doer, err := b.who(ctx, j)
	undone := !v.Running // and so is what was done to that life
	switch {
	case errors.Is(err, errUnknown): // it was removed by somebody else, or never made
	case err != nil:
		return err
	case doer.Started.Before(v.Started): // that of another life, which has gone
		undone = true
	case doer.Running && !undone:
		if undone, err = b.ends(ctx, id); err != nil {
			return err
		}
	case !doer.Running && !doer.Started.IsZero():
		undone = undone || doer.ExitCode == 0
	}
	if err := b.daemon.remove(ctx, id); err != nil || undone {
		return err
	}
	s := b.joins(&j, v)
	return b.once(ctx, s, func(t *impair.Talk) error { return t.Undo(j) })
}

// ends asks the one that does a job to end, and reports whether it has, with
// nothing left of the harm.
func (b beside) ends(ctx context.Context, id string) (bool, error) {
	if err := b.daemon.kill(ctx, id, syscall.SIGTERM); err != nil && !errors.Is(err, errGone) && !errors.Is(err, errUnknown) {
		return false, err
	}
	for until := time.Now().Add(besideTime); ; {
		doer, err := b.daemon.inspect(ctx, id)
		switch {
		case errors.Is(err, errUnknown):
			return false, nil
		case err != nil:
			return false, err
		case !doer.Running:
			return doer.ExitCode == 0, nil
		case time.Now().After(until):
			return false, nil
		}
		if err := supervise.Sleep(ctx, glance); err != nil {
			return false, err
		}
	}
}

func (b beside) shows(ctx context.Context, j impair.Job, v view) (shows bool, err error) {
	if !v.Running {
		return false, nil
	}
	ask := func(t *impair.Talk) (err error) {
		shows, err = t.Shows(j)
		return err
	}
	s := b.joins(&j, v)
	id, doer, err := b.who(ctx, j)
	switch {
	case err != nil && !errors.Is(err, errUnknown):
		return false, err
	case err == nil && doer.Started.Before(v.Started), err == nil && !doer.Running && doer.ExitCode == 0:
		return false, nil
	case err == nil && doer.Running:
		l, err := b.daemon.callBeside(ctx, id)
		if err != nil {
			return false, fmt.Errorf("asking who does it: %w", err)
		}
		defer l.close()
		return shows, l.say(ctx, ask)
	}
	return shows, b.once(ctx, s, ask) // who did it has left without a word
}
