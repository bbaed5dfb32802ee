package impair

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"path/filepath"
	"sync"
)

// Local returns the hands that harm instances of this machine, see [New].
func Local(folder, bedlam string) Hands {
	return &local{folder: folder, bedlam: bedlam, holders: map[string]*holder{}}
}

// local are a plane's hands on this machine: they do it themselves, with holders
// that are processes beside this one.
type local struct {
	folder string
	bedlam string

	keeping sync.Mutex
	holders map[string]*holder // of this process, by the path of their lock
}

var _ Hands = (*local)(nil)

// lock is the file that a job's holder has locked.
func (o *local) lock(j Job) string {
	return lockOf(filepath.Join(o.folder, url.PathEscape(j.Impairment.ID), j.Target.Instance+".json"))
}

// Can implements [Hands].
func (o *local) Can(_ context.Context, j Job) error {
	h, err := Build(j.Impairment)
	if err != nil {
		return err
	}
	return h.Can(j.Target)
}

// Do implements [Hands].
func (o *local) Do(ctx context.Context, j Job, save func(json.RawMessage) error) error {
	h, err := Build(j.Impairment)
	if err != nil {
		return err
	}
	if _, held := h.(Held); held {
		if err := o.hold(ctx, j); err != nil {
			return err
		}
	}
	return do(ctx, h, j.Target, save)
}

// do applies a harm, of which the holder holds, and wants to see it.
func do(ctx context.Context, h Harm, t Target, save func(json.RawMessage) error) error {
	err := h.Apply(ctx, t, func(before any) error {
		b, err := json.Marshal(before)
		if err != nil {
			return err
		}
		return save(b)
	})
	if err != nil {
		return err
	}
	shows, err := h.Shows(ctx, t)
	if err == nil && !shows {
		err = errors.New("it was done without an error, and the kernel does not show it")
	}
	return err
}

// Undo implements [Hands].
func (o *local) Undo(ctx context.Context, j Job) error {
	h, err := Build(j.Impairment)
	if err != nil {
		return err
	}
	return undo(ctx, h, j, func() error { return o.release(ctx, j) })
}

// undo has a harm's holder end, so that what it holds is let go, takes the harm
// away, and wants to see neither.
func undo(ctx context.Context, h Harm, j Job, release func() error) error {
	if err := errors.Join(release(), h.Undo(ctx, j.Target, j.Before)); err != nil {
		return err
	}
	shows, err := h.Shows(ctx, j.Target)
	if err == nil && shows {
		err = errors.New("it was undone without an error, and the kernel still shows it")
	}
	return err
}

// Shows implements [Hands].
func (o *local) Shows(ctx context.Context, j Job) (bool, error) {
	h, err := Build(j.Impairment)
	if err != nil {
		return false, err
	}
	return h.Shows(ctx, j.Target)
}
