package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// A live fault is one of an experiment's faults and what has become of it.
type live struct {
	chaos.Resolved
	fault    chaos.Fault
	injected time.Time // zero: not yet
	lifted   time.Time // zero: not yet
	gone     bool      // and a probe has seen it
	proof    chan error
	unproof  context.CancelFunc // ends the proof
}

func (r *run) build(e chaos.ScheduledExperiment) ([]*live, error) {
	var faults []*live
	for _, resolved := range e.Faults {
		if err := r.Supported(resolved, r.System); err != nil {
			return nil, fmt.Errorf("%s: %w", resolved.ID, err)
		}
		f, err := r.Build(resolved)
		if err != nil {
			return nil, err
		}
		faults = append(faults, &live{Resolved: resolved, fault: f})
	}
	slices.SortStableFunc(faults, func(a, b *live) int { return int(a.At - b.At) })
	return faults, nil
}

// harm injects each fault at its time, lifts those that end early, and holds
// until enough requests have met them. It returns nil also when the
// experiment's abort limit was breached; what is still on is for lift.
func (r *run) harm(ctx context.Context, faults []*live) error {
	begin := time.Now()
	w := witness{spans: r.Spans, seen: map[collector.TraceID]bool{}, met: map[*live]bool{}}
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
				if err := r.liftOne(context.WithoutCancel(ctx), f, false); err != nil {
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
func (r *run) holding(faults []*live, w *witness) (done bool, err error) {
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
	return held >= holdMost || w.enough(faults, first), nil
}

func (r *run) inject(ctx context.Context, f *live) error {
	r.phase("inject", describe(f.Resolved))
	resolved := f.Resolved
	if err := r.Journal.Write(chaos.Entry{Kind: chaos.Injecting, Experiment: r.at.Experiment, ID: f.ID, Fault: &resolved}); err != nil {
		return err
	}
	f.injected = time.Now() // from here on it may be on, whatever Inject returns
	limited, cancel := context.WithTimeout(ctx, injectMost)
	err := f.fault.Inject(limited, r.System)
	cancel()
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return r.write(chaos.Unproven, f.ID, "injecting failed: "+err.Error())
	}
	if err := r.write(chaos.Injected, f.ID, ""); err != nil {
		return err
	}
	r.phase("hold", describe(f.Resolved))
	f.proof = make(chan error, 1)
	proving, unproof := context.WithCancel(ctx)
	f.unproof = unproof
	go func() { f.proof <- r.prove(proving, f) }()
	return nil
}

// prove asks the probe until it sees the fault, and writes down what it saw.
func (r *run) prove(ctx context.Context, f *live) error {
	p, ok := f.fault.(chaos.Prober)
	if !ok {
		return r.write(chaos.Unproven, f.ID, "the fault has no probe")
	}
	saw, err := r.ask(ctx, f, p, true, proofMost)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("the fault ended before a probe had seen it (%w)", err)
	}
	if err != nil {
		return r.write(chaos.Unproven, f.ID, err.Error())
	}
	return r.write(chaos.Proven, f.ID, saw)
}

func (r *run) ask(ctx context.Context, f *live, p chaos.Prober, injected bool, most time.Duration) (string, error) {
	begin := time.Now()
	for {
		saw, err := p.Probe(ctx, r.System, injected)
		if err == nil || time.Since(begin) > most {
			return saw, err
		}
		if sleep(ctx, tick) != nil {
			return saw, err
		}
	}
}

// lift ends every fault that is still on, all at once, and returns when the
// last one was seen to be gone, those included that were lifted before.
func (r *run) lift(ctx context.Context, faults []*live) (time.Time, error) {
	r.phase("lift", "")
	var wg sync.WaitGroup
	errs := make([]error, len(faults))
	for i, f := range faults {
		if !f.injected.IsZero() && !f.gone {
			wg.Go(func() { errs[i] = r.liftOne(ctx, f, true) })
		}
	}
	wg.Wait()
	var last time.Time
	for _, f := range faults {
		if f.lifted.After(last) {
			last = f.lifted
		}
	}
	return last, errors.Join(errs...)
}

// liftOne lifts a fault until a read-back shows that it is gone, and a probe
// too. If it is not the last, another fault may stand in the probe's way: then
// what the probe does not see yet, it is asked for again when all are lifted.
func (r *run) liftOne(ctx context.Context, f *live, last bool) error {
	// A journal that cannot be written (a full disk) keeps nothing harmed.
	var unwritten error
	write := func(kind chaos.EntryKind, detail string) {
		unwritten = errors.Join(unwritten, r.write(kind, f.ID, detail))
	}
	if f.proof != nil {
		// What the probe saw must not be taken from a fault half lifted; and
		// what it has not seen by now, it need not.
		f.unproof()
		unwritten = <-f.proof
		f.proof = nil
	}
	if f.lifted.IsZero() {
		write(chaos.Lifting, "")
	}
	ctx, cancel := context.WithTimeout(ctx, liftMost)
	defer cancel()
	var why error // that was not only the end of the patience
	for {
		err := f.fault.Lift(ctx, r.System)
		if err == nil && f.lifted.IsZero() {
			f.lifted = time.Now()
			write(chaos.Lifted, "")
		}
		saw := ""
		if p, ok := f.fault.(chaos.Prober); ok && err == nil {
			saw, err = p.Probe(ctx, r.System, false)
		}
		if err == nil {
			f.gone = true
			write(chaos.LiftProven, saw)
			return unwritten
		}
		if !last && !f.lifted.IsZero() {
			return unwritten
		}
		if why == nil || ctx.Err() == nil {
			why = err
		}
		if sleep(ctx, tick) != nil {
			write(chaos.LiftFailed, why.Error())
			return errors.Join(fmt.Errorf("%w: %s: %w", ErrNotLifted, f.ID, why), unwritten)
		}
	}
}

// A witness counts the requests whose traces met the faults.
type witness struct {
	spans chaos.Spans
	seen  map[collector.TraceID]bool
	met   map[*live]bool // by some request
	last  time.Time      // when it was last asked
}

// enough reports whether as many requests as are wanted met the faults, and
// some met each of them that is on. It looks at most once a second: spans
// arrive in batches.
func (w *witness) enough(faults []*live, since time.Time) bool {
	satisfied := func() bool {
		return len(w.seen) >= witnessesWanted && !slices.ContainsFunc(faults, func(f *live) bool {
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
