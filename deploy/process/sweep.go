package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/bedlamlab/bedlam/deploy/postgres"
)

// Sweep implements [deploy.Engine]: it ends every process of the run, removes
// what PostgreSQL left in the kernel and the scratch folder itself, and frees
// the ports. It touches no folder that no run of this engine has marked as its
// own; a person's shell that stands in the folder is left alone. A template
// that the run was making when it ended is no longer made, either.
func (e *Engine) Sweep(ctx context.Context, run, scratch string) error {
	fail := func(err error) error { return fmt.Errorf("sweeping run %s: %w", run, err) }
	real, err := realPath(scratch)
	if err != nil {
		return fail(err)
	}
	if real == filepath.Dir(real) {
		return fail(fmt.Errorf("%s is no scratch folder", scratch))
	}
	b := base{files: files{scratch: real}}
	b.desc, err = b.description()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// Up did not get far enough to mark it, or a sweep has been here:
		// then it is empty, or gone. Processes may still stand in it.
		inside, _ := os.ReadDir(real) // no pattern: the path is a person's and may hold a [
		for _, entry := range inside {
			if strings.HasPrefix(entry.Name(), ".new-") {
				os.Remove(filepath.Join(real, entry.Name()))
			}
		}
		if err := os.Remove(real); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fail(fmt.Errorf("this is no scratch folder of ours: %w", err))
		}
	case err != nil:
		return fail(err)
	case run != "" && b.desc.Run != run:
		return fail(fmt.Errorf("%s belongs to run %s", scratch, b.desc.Run))
	}
	if err := b.clear(ctx, true); err != nil {
		return fail(err)
	}
	if cache, err := e.cache(); err == nil { // without one there was no run
		if err := postgres.Tidy(cache); err != nil {
			return fail(err)
		}
	}
	return nil
}

// clear ends everything that stands in the scratch folder and empties it; with
// all, the folder itself goes too.
func (b *base) clear(ctx context.Context, all bool) error {
	k := pack{folder: b.scratch}
	for _, name := range append(names(b.desc.Topology), relayName) {
		r, err := b.record(name)
		if err == nil && r.alive() {
			k.roots = append(k.roots, r.identity)
		}
	}
	if err := k.kill(ctx); err != nil {
		return err
	}
	for _, o := range b.desc.Stores {
		if err := postgres.Clean(o.Dir); err != nil {
			return err
		}
	}
	if err := b.empty(all); err != nil {
		return err
	}
	// Whoever was on the way into the folder stands in a removed one now.
	return k.kill(ctx)
}

func (b *base) empty(all bool) error {
	entries, err := os.ReadDir(b.scratch)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries { // the mark last: until then a sweep may come again
		if entry.Name() != filepath.Base(b.system()) {
			if err := os.RemoveAll(filepath.Join(b.scratch, entry.Name())); err != nil {
				return err
			}
		}
	}
	if err := os.Remove(b.system()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if all {
		return os.Remove(b.scratch)
	}
	return nil
}
