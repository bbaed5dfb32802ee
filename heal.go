package bedlam

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/bedlamlab/bedlam/chaos/runner"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/guard"
)

// Heal puts right what earlier runs of this user left when they were cut
// short: faults are lifted, processes ended, folders removed. Runs whose
// process lives are left alone. tell, which may be nil, is told of each.
func Heal(ctx context.Context, tell func(string)) error {
	if tell == nil {
		tell = func(string) {}
	}
	var errs []error
	for _, l := range healAll(ctx, tell) {
		errs = append(errs, l.err)
	}
	return errors.Join(errs...)
}

// healFor is [Heal] before something is started on some engines. What an earlier
// run left on another engine, and cannot be healed now, is in nobody's way: it
// is noted. What was left on one of these, or nobody knows where, is an error.
func healFor(ctx context.Context, o Options, on ...string) error {
	var errs []error
	for _, l := range healAll(ctx, func(text string) { o.Observe(Status{Step: text}) }) {
		if l.engine == "" || slices.Contains(on, l.engine) {
			errs = append(errs, l.err)
			continue
		}
		o.Observe(Status{Note: fmt.Sprintf("left as it is, for bedlam heal, since it is of engine %s: %v", l.engine, l.err)})
	}
	return errors.Join(errs...)
}

// A leftover is what could not be healed.
type leftover struct {
	engine string // of the run; empty: it cannot be told
	err    error
}

func healAll(ctx context.Context, tell func(string)) (left []leftover) {
	state, err := guard.StateDir()
	if err != nil {
		return []leftover{{err: err}}
	}
	stale, err := guard.Stale(state)
	if err != nil {
		left = append(left, leftover{err: fmt.Errorf("%w; what that run left has to be looked for by hand, and its entry be removed then", err)})
	}
	for _, run := range stale {
		tell(fmt.Sprintf("healing what run %s left", run.ID))
		if err := guard.Heal(ctx, state, run, healRun); err != nil {
			left = append(left, leftover{run.Engine, err})
		}
	}
	return left
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
	e, err := engine(run.Engine, "")
	if err != nil {
		return err
	}
	// A system that was never up, or is half gone, has no powers to lift with
	// and needs none: the sweep ends it with its faults.
	var liftErr error
	if s, err := e.Attach(ctx, run.Scratch); err == nil {
		if c, err := deploy.Power[io.Closer](s); err == nil {
			defer c.Close()
		}
		if run.Folder != "" {
			liftErr = runner.Heal(ctx, filepath.Join(run.Folder, journalFile), s, rebuild)
		}
	}
	if run.Hanging {
		return liftErr
	}
	return e.Sweep(ctx, run.ID, run.Scratch)
}
