package supervise

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/bedlamlab/bedlam/deploy"
)

// ToSweep finds what a sweep of run is to remove. A folder that no run of the
// engine with this schema has marked as its own, or another run has, is an
// error; one that is gone is none, and neither is an empty one, which goes:
// then Up did not get far enough to mark it, or a sweep has been there, and the
// description is empty.
func ToSweep(run, scratch, schema string) (Files, Description, error) {
	real, err := realPath(scratch)
	if err != nil {
		return Files{}, Description{}, err
	}
	if real == filepath.Dir(real) {
		return Files{}, Description{}, fmt.Errorf("%s is no scratch folder", scratch)
	}
	f := Files{Scratch: real}
	d, err := f.description(schema)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// Processes may still stand in it.
		inside, _ := os.ReadDir(real) // no pattern: the path is a person's and may hold a [
		for _, entry := range inside {
			if strings.HasPrefix(entry.Name(), ".new-") {
				os.Remove(filepath.Join(real, entry.Name()))
			}
		}
		if err := os.Remove(real); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return f, d, fmt.Errorf("this is no scratch folder of ours: %w", err)
		}
	case err != nil:
		return f, d, err
	case run != "" && d.Run != run:
		return f, d, fmt.Errorf("%s belongs to run %s", scratch, d.Run)
	}
	return f, d, nil
}

// Empty removes the scratch folder's contents; with all, the folder itself too.
func (f Files) Empty(all bool) error {
	entries, err := os.ReadDir(f.Scratch)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries { // the mark last: until then a sweep may come again
		if entry.Name() != filepath.Base(f.system()) {
			if err := os.RemoveAll(filepath.Join(f.Scratch, entry.Name())); err != nil {
				return err
			}
		}
	}
	if err := os.Remove(f.system()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if all {
		return os.Remove(f.Scratch)
	}
	return nil
}

// Powers are those that every system has, whatever its instances run as.
type Powers interface {
	deploy.System
	deploy.Inspector
	deploy.Killer
	deploy.Stopper
	deploy.Pauser
	deploy.Holder
	deploy.Shaper
	deploy.Databaser
	deploy.Insider
	deploy.Teller
	Ender
}

// An Ender is a system with whose instances an engine can make an end in ways
// that only it knows, as with its Kill and Stop in those that all do.
type Ender interface {
	deploy.System
	// End makes an end by a function that returns when it has come; what says
	// in an error's text what was being done.
	End(ctx context.Context, what, instance string, by func(context.Context, string) error) error
}

var (
	_ Powers = (*System)(nil)
	_ Powers = (*attached)(nil)
)

// attached is a system that another process started.
type attached struct {
	Base
	clear func(context.Context) error
}

// Attach returns the system that another process started. It has every power
// that the original has, by the same files; Release leaves the start to the
// original's keeper, if that lives, and Down is no more than clear.
func Attach(f Files, d Description, m Machine, clear func(context.Context) error) Powers {
	return &attached{newBase(f, d, m), clear}
}

// Down implements [deploy.System].
func (a *attached) Down(ctx context.Context) error {
	if err := a.clear(ctx); err != nil {
		return fmt.Errorf("taking %s down: %w", a.desc.Topology.Name, err)
	}
	return nil
}
