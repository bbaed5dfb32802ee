package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/observability/collector"
)

func (r *run) build(e chaos.ScheduledExperiment) ([]*Harm, error) {
	life := &Life{System: r.System, Journal: r.Journal, Build: r.Build, Supported: r.Supported}
	var faults []*Harm
	for _, resolved := range e.Faults {
		f, err := life.prepare(resolved, e.Name)
		if err != nil {
			return nil, err
		}
		faults = append(faults, f)
	}
	slices.SortStableFunc(faults, func(a, b *Harm) int { return int(a.At - b.At) })
	return faults, nil
}

// harm injects each fault at its time, lifts those that end early, and holds
// until enough requests have met them. It returns nil also when the
// experiment's abort limit was breached; what is still on is for lift.
func (r *run) harm(ctx context.Context, faults []*Harm) error {
	begin := time.Now()
	w := witness{spans: r.Spans, seen: map[collector.TraceID]bool{}, met: map[*Harm]bool{}}
	for {
		elapsed := time.Since(begin)
		for _, f := range faults {
			switch {
			case f.injected.IsZero() && elapsed >= f.At.D():
				// It may have been asleep since it last asked.
				if err := r.Lease(); err != nil {
					return errors.Join(err, r.write(chaos.LeaseLost, "", err.Error()))
				}
				if err := r.inject(ctx, f); err != nil {
					return err
				}
			case !f.injected.IsZero() && f.lifted.IsZero() && f.Duration > 0 && elapsed >= (f.At+f.Duration).D():
				if err := f.lift(context.WithoutCancel(ctx), func() {}, false); err != nil {
					return err
				}
			}
		}
		done, err := r.holding(faults, &w)
		if err != nil || done {
			return err
		}
		if err := r.tick(ctx); err != nil {
			if ctx.Err() == nil { // a lost lease
				err = errors.Join(err, r.write(chaos.LeaseLost, "", err.Error()))
			}
			return err
		}
	}
}

// holding reports whether the fault phase is over.
func (r *run) holding(faults []*Harm, w *witness) (done bool, err error) {
	var first time.Time
	waiting := false // for a fault's beginning or early end
	for _, f := range faults {
		if !f.injected.IsZero() && (first.IsZero() || f.injected.Before(first)) {
			first = f.injected
		}
		waiting = waiting || f.injected.IsZero() || f.Duration > 0 && f.lifted.IsZero()
	}
	if first.IsZero() {
		return false, nil
	}
	held := time.Since(first)
	if abort := r.Abort[r.at.Experiment]; abort > 0 && held > abortOver+time.Second {
		// The last second's requests are still on their way.
		to := time.Now().Add(-time.Second)
		if good, decided := r.Goodput(to.Add(-abortOver), to); decided > 0 && float64(good) < abort*float64(decided) {
			return true, r.write(chaos.Aborted, "", fmt.Sprintf("goodput %.3f of %d requests is below the experiment's abort limit of %.3f",
				float64(good)/float64(decided), decided, abort))
		}
	}
	if waiting || held < holdLeast {
		return false, nil
	}
	if watch := r.Watch[r.at.Experiment]; watch > 0 {
		return r.watched(faults, watch), nil
	}
	return held >= HoldMost || w.enough(faults, first), nil
}

// watched reports whether a system has been left to itself for so long since the
// last of the faults that end early had gone.
func (r *run) watched(faults []*Harm, watch time.Duration) bool {
	var gone time.Time
	for _, f := range faults {
		if f.lifted.After(gone) {
			gone = f.lifted
		}
	}
	if r.at.Phase != "watch" {
		r.phase("watch", "the trigger has gone")
	}
	// A second more: the journal has the lift a moment later.
	return time.Since(gone) >= watch+time.Second
}

func (r *run) inject(ctx context.Context, f *Harm) error {
	r.phase("inject", describe(f.Resolved))
	err := f.life.inject(ctx, f)
	if err == nil {
		r.phase("hold", describe(f.Resolved))
	}
	if errors.Is(err, ErrNotInjected) {
		return nil // the journal says so; what it means is the judge's to say
	}
	return err
}

// lift ends every fault that is still on, all at once, and returns when the
// last one was seen to be gone, those included that were lifted before.
func (r *run) lift(ctx context.Context, faults []*Harm) (time.Time, error) {
	r.phase("lift", "")
	return liftAll(ctx, faults)
}

// A witness counts the requests whose traces met the faults.
type witness struct {
	spans chaos.Spans
	seen  map[collector.TraceID]bool
	met   map[*Harm]bool // by some request
	last  time.Time      // when it was last asked
}

// enough reports whether as many requests as are wanted met the faults, and
// some met each of them that is on. It looks at most once a second: spans
// arrive in batches.
func (w *witness) enough(faults []*Harm, since time.Time) bool {
	satisfied := func() bool {
		return len(w.seen) >= witnessesWanted && !slices.ContainsFunc(faults, func(f *Harm) bool {
			_, can := f.fault.(chaos.Witnessed)
			return can && f.lifted.IsZero() && !w.met[f]
		})
	}
	if satisfied() || time.Since(w.last) < time.Second {
		return satisfied()
	}
	w.last = time.Now()
	w.spans.Between(since, w.last, func(s collector.Span) bool {
		for _, f := range faults {
			if m, ok := f.fault.(chaos.Witnessed); ok && !f.injected.IsZero() && !s.End.Before(f.injected) &&
				(f.lifted.IsZero() || s.Start.Before(f.lifted)) && m.Met(s) {
				w.seen[s.Trace] = true
				w.met[f] = true
			}
		}
		return !satisfied()
	})
	return satisfied()
}

// describe says in a few words what is done to whom.
func describe(r chaos.Resolved) string {
	if len(r.Links) == 0 {
		return r.Action + " " + strings.Join(r.Instances, ", ")
	}
	var links []string
	for _, l := range r.Links {
		links = append(links, l.String())
	}
	if len(links) > 4 { // an edge of two by two; more would not fit on a line
		links = append(links[:4], fmt.Sprintf("%d more", len(r.Links)-4))
	}
	return r.Action + " " + strings.Join(links, ", ")
}
