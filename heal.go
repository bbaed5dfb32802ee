package bedlam

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/bedlamlab/bedlam/chaos/runner"
	"github.com/bedlamlab/bedlam/deploy/guard"
)

// Heal puts right what earlier runs of this user left when they were cut
// short: faults are lifted, processes ended, folders removed. Runs whose
// process lives are left alone. tell, which may be nil, is told of each.
func Heal(ctx context.Context, tell func(string)) error {
	state, err := guard.StateDir()
	if err != nil {
		return err
	}
	stale, err := guard.Stale(state)
	errs := []error{err}
	for _, run := range stale {
		if tell != nil {
			tell(fmt.Sprintf("healing what run %s left", run.ID))
		}
		errs = append(errs, guard.Heal(ctx, state, run, healRun))
	}
	return errors.Join(errs...)
}

// Guard watches one run until it ends, and heals it if its process dies or
// hangs. It is what `bedlam guard RUN` runs; stdin ends with the parent.
func Guard(ctx context.Context, stdin io.Reader, run string) error {
	state, err := guard.StateDir()
	if err != nil {
		return err
	}
	return guard.Main(ctx, stdin, state, run, guard.Lease, healRun)
}

// healRun lifts the live faults of a run and, unless its process may wake up
// again, removes all that is left of it.
func healRun(ctx context.Context, run guard.Run) error {
	e, err := engine(run.Engine)
	if err != nil {
		return err
	}
	// A system that was never up, or is half gone, has no powers to lift with
	// and needs none: the sweep ends it with its faults.
	var liftErr error
	if s, err := e.Attach(ctx, run.Scratch); err == nil && run.Folder != "" {
		liftErr = runner.Heal(ctx, filepath.Join(run.Folder, journalFile), s, rebuild)
	}
	if run.Hanging {
		return liftErr
	}
	return e.Sweep(ctx, run.ID, run.Scratch)
}
