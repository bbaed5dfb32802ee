package process

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/bedlamlab/bedlam/deploy/cell"
	"github.com/bedlamlab/bedlam/deploy/postgres"
	"github.com/bedlamlab/bedlam/deploy/supervise"
)

// Sweep implements [deploy.Engine]: it ends every process of the run, removes
// what PostgreSQL left in the kernel and the scratch folder itself, and frees
// the ports. It touches no folder that no run of this engine has marked as its
// own; a person's shell that stands in the folder is left alone. A template
// that the run was making when it ended is no longer made, either.
func (e *Engine) Sweep(ctx context.Context, run, scratch string) error {
	fail := func(err error) error { return fmt.Errorf("sweeping run %s: %w", run, err) }
	f, d, err := supervise.ToSweep(run, scratch, schema)
	if err != nil {
		return fail(err)
	}
	if err := newMachine(f, d).clear(ctx, run, true); err != nil {
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
// all, the folder itself goes too. The run's cells go by its name alone: there
// may be some although nobody got as far as to write down that there are.
func (m machine) clear(ctx context.Context, run string, all bool) error {
	k := pack{folder: m.Scratch}
	for _, name := range m.desc.Names() {
		if id, err := m.living(name); err == nil {
			k.roots = append(k.roots, id)
		}
	}
	if err := k.kill(ctx); err != nil {
		return err
	}
	if run == "" {
		run = m.desc.Run
	}
	if run != "" {
		if err := cell.Sweep(ctx, run); err != nil {
			return err
		}
	}
	if err := m.unplug(ctx); err != nil {
		return err
	}
	for _, o := range m.desc.Stores {
		if err := postgres.Clean(m.files(filepath.Base(o.Dir))); err != nil {
			return err
		}
	}
	if err := m.Empty(all); err != nil {
		return err
	}
	// Whoever was on the way into the folder stands in a removed one now.
	return k.kill(ctx)
}
