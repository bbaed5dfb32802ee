package docker

import (
	"context"
	"encoding/json"

	"github.com/bedlamlab/bedlam/deploy/impair"
)

// within does a job from a process in the instance's own container, in which it
// counts with the instance's: with its account, its share of the machine and not
// one right more. A container that is paused has nobody who could do anything.
type within struct{ *hands }

var _ way = within{}

// call starts such a process. Those of a kind find one another by a file on the
// instance's tmpfs.
func (w within) call(ctx context.Context, j impair.Job, v view) (*line, error) {
	l, err := w.daemon.callBeside(ctx, v.ID)
	if err == nil {
		l.Lock = tmp + "/.bedlam-" + j.Impairment.Kind
	}
	return l, err
}

// once has one asked for one thing.
func (w within) once(ctx context.Context, j impair.Job, v view, ask func(*impair.Talk) error) error {
	l, err := w.call(ctx, j, v)
	if err != nil {
		return err
	}
	defer l.close()
	return l.say(ctx, ask)
}

func (w within) can(ctx context.Context, j impair.Job, v view) error {
	if !v.Running {
		return nil // to be seen when it is up
	}
	return w.once(ctx, j, v, func(t *impair.Talk) error { return t.Can(j) })
}

func (w within) do(ctx context.Context, j impair.Job, v view, save func(json.RawMessage) error) error {
	l, err := w.call(ctx, j, v)
	if err != nil {
		return err
	}
	return w.hold(ctx, j, l, save)
}

func (w within) undo(ctx context.Context, j impair.Job, v view) error {
	if !v.Running {
		return nil
	}
	return w.once(ctx, j, v, func(t *impair.Talk) error { return t.Undo(j) })
}

func (w within) shows(ctx context.Context, j impair.Job, v view) (shows bool, err error) {
	if !v.Running {
		return false, nil
	}
	err = w.once(ctx, j, v, func(t *impair.Talk) (err error) {
		shows, err = t.Shows(j)
		return err
	})
	return shows, err
}
