package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/moby/moby/client"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/impair"
	"github.com/bedlamlab/bedlam/deploy/supervise"
)

// tmp is each instance's tmpfs, as large as what it may take.
const tmp = "/tmp"

// endMost bounds the end of a container after that of what has been run in it.
const endMost = 5 * time.Second

// An exhaustible system is a supervised one with the powers that isolation gives.
type exhaustible struct {
	supervise.Ender
	*impair.Plane
	machine *machine
}

var (
	_ deploy.Exhauster = exhaustible{}
	_ deploy.Impairer  = exhaustible{}
)

// Unwrap lets the other powers be seen.
func (s exhaustible) Unwrap() deploy.System { return s.Ender }

// Exhaust implements [deploy.Exhauster], for services and stores alike: see
// package exhaust for how it is made certain that the instance ends, and not
// one of a server's processes.
func (s exhaustible) Exhaust(ctx context.Context, instance string) error {
	return s.End(ctx, "exhausting", instance, s.machine.exhaust)
}

func (m *machine) exhaust(ctx context.Context, instance string) error {
	id := m.container(instance)
	v, err := m.daemon.inspect(ctx, id)
	switch {
	case err != nil:
		return gone(err)
	case !v.Running:
		return supervise.ErrGone
	case v.Paused:
		return errors.New("it is paused: nothing can be done in it")
	case v.Memory == 0:
		return errors.New("its memory has no limit")
	}
	m.exhaustedAt.Store(instance, v.Started)
	_, why := m.daemon.exec(ctx, id, "/bedlam", "exhaust", tmp, strconv.FormatInt(v.Memory, 10))
	if f := (failure{}); errors.As(why, &f) && f.code != killed {
		return why // by itself; else it ended with the container
	}
	for until := time.Now().Add(endMost); ; {
		now, err := m.daemon.inspect(ctx, id)
		switch {
		case errors.Is(err, errUnknown):
			return nil
		case err != nil:
			return err
		case !now.Running || !now.Started.Equal(v.Started): // its keeper may be quick
			return nil
		case time.Now().After(until):
			return lives(why)
		}
		if err := supervise.Sleep(ctx, glance); err != nil {
			return err
		}
	}
}

// lives says that exhaust was of no use; why is what became of its command.
func lives(why error) error {
	if why == nil {
		return errors.New("it has not ended, although the command in it says that it succeeded")
	}
	return fmt.Errorf("it has not ended: %w", why)
}

// exhausted reports whether exhaust has been at work on the life that v shows.
func (m *machine) exhausted(instance string, v view) bool {
	at, ok := m.exhaustedAt.Load(instance)
	return ok && v.Started.Equal(at.(time.Time))
}

// oomKilled reports whether the life of the container that v shows ended for
// want of memory. The daemon's flag is not enough: it is the container's, and
// may be left of an earlier life; the daemon's journal says when.
func (d *daemon) oomKilled(ctx context.Context, v view) (bool, error) {
	if !v.OOMKilled || v.Running || v.ExitCode != killed {
		return false, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := d.api.Events(ctx, client.EventsListOptions{
		Since: stamp(v.Started), Until: stamp(time.Now()),
		Filters: client.Filters{}.Add("type", "container").Add("container", v.ID).Add("event", "oom"),
	})
	found := false
	for {
		select {
		case <-r.Messages:
			found = true
		case err := <-r.Err:
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return found, err
		}
	}
}

// killed is the exit code of what SIGKILL ended.
const killed = 128 + 9

// oomLate is by how much the daemon's word on what a life ended for may come
// after that of its end: they go different ways, and meet within some ms.
const oomLate = time.Second

// settle returns how a life ended when the daemon has had time to say all of
// it. Only a life on which exhaust has been at work is given any: a plain kill
// must be known at once.
func (l *life) settle(e exit) exit {
	if e.Code != killed || e.OOMKilled || !l.exhausted() {
		return e
	}
	ctx, cancel := context.WithTimeout(context.Background(), oomLate)
	defer cancel()
	for supervise.Sleep(ctx, glance) == nil {
		if again, err := l.daemon.wait(ctx, l.container); err == nil && again.OOMKilled {
			return again
		}
	}
	return e
}

// Is says which end this is in the words of all engines.
func (e exit) Is(target error) bool { return e.OOMKilled && target == supervise.ErrOOMKilled }
