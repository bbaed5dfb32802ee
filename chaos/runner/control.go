package runner

import (
	"context"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
)

// proofs is what a fault's injection and lift usually take with their proofs:
// most are instant, those of crashes wait for the supervisor's first restart.
const proofs = 2 * time.Second

// idle takes the time that an experiment's faults would take at the longest,
// so that the moments of a run with them are in the record of one without.
func (r *run) idle(ctx context.Context, e chaos.ScheduledExperiment) error {
	r.phase("hold", "a control: nothing is injected")
	end := time.Now().Add(fullLength(e) + r.Watch[e.Name])
	for time.Now().Before(end) {
		if err := r.tick(ctx); err != nil {
			return err
		}
	}
	return nil
}

// fullLength is how long an experiment's fault phase lasts at most, with its
// proofs.
func fullLength(e chaos.ScheduledExperiment) time.Duration {
	longest := time.Duration(0)
	for _, f := range e.Faults {
		held := f.Duration.D()
		longest = max(longest, f.At.D()+max(held, HoldMost))
	}
	return longest + proofs
}
