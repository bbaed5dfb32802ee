// Package runner does what a schedule says to a running system, under load:
//
//	baseline → inject → prove → hold → lift → prove → recover → audit
//
// [Run] does a whole suite. Everything that it is about to do stands in the
// journal first, so that [Heal] can undo it in another process. It judges
// nothing: what it saw is in the journal.
package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
)

// The lengths of the phases.
const (
	// Baseline is long enough for 400 journeys at the default rate: about a
	// thousand requests, of which ten lie above the 99th percentile.
	Baseline = 10 * time.Second
	// holdLeast is three times the breakers' rolling window, so that they
	// open, ask again and settle while the fault is on.
	holdLeast = 6 * time.Second
	// HoldMost bounds the wait for requests that met the fault.
	HoldMost = 12 * time.Second
	// witnessesWanted is the number of requests at which the shop's own
	// traces are proof enough: with none of 30 spared, the fault reached more
	// than nine in ten of such requests (the rule of three: 3/30).
	witnessesWanted = 30
	// injectMost bounds one injection: a stop that drains takes up to 5 s.
	// Longer than this nothing else, such as an abort, may have to wait.
	injectMost = 10 * time.Second
	// proofMost bounds the wait for a probe to see an injected fault.
	proofMost = 3 * time.Second
	// liftMost bounds the wait for a probe to see that a fault is gone: a
	// supervisor's longest back-off (8 s), a start, and PostgreSQL's crash
	// recovery.
	liftMost = 20 * time.Second
	// recoverMost bounds the wait for goodput; longer is NotRecovered.
	recoverMost = 20 * time.Second
	// recoverFor is how long goodput must stay in the band.
	recoverFor = 3 * time.Second
	// abortOver is the stretch over which an abort limit is taken: short
	// enough to spare a system that is down, long enough for 300 requests.
	abortOver = 3 * time.Second
	// tick is how often the runner looks: well under every length above.
	tick = 100 * time.Millisecond
)

// Options are what a run is made of.
type Options struct {
	System   deploy.System
	Schedule chaos.Schedule
	// Abort is each experiment's least goodput, by name.
	Abort map[string]float64
	// Watch is how long each goes on after its trigger, by name.
	Watch   map[string]time.Duration
	Journal *Journal
	// Build makes a fault, Supported says before any harm whether the system
	// has the power that it needs.
	Build     func(chaos.Resolved) (chaos.Fault, error)
	Supported func(chaos.Resolved, deploy.System) error
	// Goodput counts the requests that were due in [from, to) and are decided.
	Goodput func(from, to time.Time) (good, decided int)
	Spans   chaos.Spans
	// Control makes a run to compare others with: it takes each experiment's
	// time and injects nothing.
	Control bool
	// Audit reads the rows touched since a time, into the audit of that name.
	Audit func(ctx context.Context, name string, since time.Time) error
	// Lease returns an error once this run's lease is lost. May be nil.
	Lease func() error
	// Observe is told where the run is; it must not block. May be nil.
	Observe func(Progress)
}

// Progress says where a run is.
type Progress struct {
	Experiment string // empty: before the first
	Index, Of  int    // of the experiment, from 1
	Phase      string // baseline, inject, hold, lift, recover, audit
	Text       string // what is being done to whom
}

// ErrNotLifted is returned when a fault could not be lifted: nothing that
// comes after it can be trusted.
var ErrNotLifted = errors.New("a fault could not be lifted")

// Run does the schedule. Errors are ctx's (everything lifted first), those of
// the journal and the audit, [ErrNotLifted], and a lost lease.
func Run(ctx context.Context, o Options) error {
	if o.Observe == nil {
		o.Observe = func(Progress) {}
	}
	if o.Lease == nil {
		o.Lease = func() error { return nil }
	}
	r := &run{Options: o}
	if err := r.baseline(ctx); err != nil {
		return r.ended(ctx, err)
	}
	since := time.Now()
	for i, e := range o.Schedule.Experiments {
		r.at = Progress{Experiment: e.Name, Index: i + 1, Of: len(o.Schedule.Experiments)}
		began := time.Now()
		if err := r.experiment(ctx, e, since); err != nil {
			return r.ended(ctx, err)
		}
		since = began
	}
	return nil
}

// ended writes down an interruption before it is returned.
func (r *run) ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = errors.Join(err, r.write(chaos.Interrupted, "", context.Cause(ctx).Error()))
	}
	return err
}

type run struct {
	Options
	at     Progress
	normal float64 // goodput of the baseline
}

func (r *run) phase(phase, text string) {
	r.at.Phase, r.at.Text = phase, text
	r.Observe(r.at)
}

func (r *run) write(kind chaos.EntryKind, id, detail string) error {
	return r.Journal.Write(chaos.Entry{Kind: kind, Experiment: r.at.Experiment, ID: id, Detail: detail})
}

func (r *run) baseline(ctx context.Context) error {
	r.at.Of = len(r.Schedule.Experiments)
	r.phase("baseline", "")
	if err := r.write(chaos.BaselineStarted, "", ""); err != nil {
		return err
	}
	from := time.Now()
	if err := sleep(ctx, Baseline); err != nil {
		return err
	}
	// The last second's requests are still on their way.
	good, decided := r.Goodput(from, time.Now().Add(-time.Second))
	if decided > 0 {
		r.normal = float64(good) / float64(decided)
	}
	return r.write(chaos.BaselineEnded, "", fmt.Sprintf("goodput %.4f of %d", r.normal, decided))
}

// band is the goodput that counts as normal: one point below the baseline's,
// measuring what one request in a hundred is worth.
func (r *run) band() float64 { return r.normal - 0.01 }

func (r *run) experiment(ctx context.Context, e chaos.ScheduledExperiment, since time.Time) error {
	if err := r.write(chaos.ExperimentBegun, "", ""); err != nil {
		return err
	}
	if r.Control {
		if err := r.idle(ctx, e); err != nil {
			return err
		}
		return r.settle(ctx, e, time.Now(), since)
	}
	faults, err := r.build(e)
	if errors.Is(err, errors.ErrUnsupported) {
		return errors.Join(r.write(chaos.Unsupported, "", err.Error()), r.write(chaos.ExperimentEnded, "", ""))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", e.Name, err)
	}
	harmErr := r.harm(ctx, faults)
	// Lifting is not for the context to refuse.
	lifted, err := r.lift(context.WithoutCancel(ctx), faults)
	if err := errors.Join(harmErr, err); err != nil {
		return err
	}
	return r.settle(ctx, e, lifted, since)
}

// settle waits until the system is well again, and reads what it did meanwhile.
func (r *run) settle(ctx context.Context, e chaos.ScheduledExperiment, lifted, since time.Time) error {
	if err := r.recover(ctx, lifted); err != nil {
		return err
	}
	r.phase("audit", "")
	name := fmt.Sprintf("%02d-%s", r.at.Index, e.Name)
	if err := r.Audit(ctx, name, since); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		// An audit that could not be read makes the judge's data incomplete;
		// the run itself goes on.
		return errors.Join(r.write(chaos.Audited, "", "failed: "+err.Error()), r.write(chaos.ExperimentEnded, "", ""))
	}
	return errors.Join(r.write(chaos.Audited, name, ""), r.write(chaos.ExperimentEnded, "", ""))
}

// recover waits until goodput is back in the band for a while.
func (r *run) recover(ctx context.Context, lifted time.Time) error {
	r.phase("recover", "")
	for {
		if err := r.tick(ctx); err != nil {
			return err
		}
		// Requests of the last second are still on their way.
		now := time.Now().Add(-time.Second)
		from := now.Add(-recoverFor)
		if from.Before(lifted) {
			continue
		}
		if good, decided := r.Goodput(from, now); decided > 0 && float64(good) >= r.band()*float64(decided) {
			return r.write(chaos.Recovered, "", fmt.Sprintf("%d of %d", good, decided))
		}
		if now.Sub(lifted) > recoverMost {
			return r.write(chaos.NotRecovered, "", "after "+recoverMost.String())
		}
	}
}

// tick waits a moment; the error is ctx's or the lease's.
func (r *run) tick(ctx context.Context) error {
	if err := sleep(ctx, tick); err != nil {
		return err
	}
	return r.Lease()
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
