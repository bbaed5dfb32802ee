package bedlam

import (
	"sync"
	"time"

	"github.com/bedlamlab/bedlam/chaos/runner"
	"github.com/bedlamlab/bedlam/loadgen"
)

// A watch tells the person who waits how the run fares.
type watch struct {
	g       *loadgen.Generator
	start   time.Time
	observe func(Status)
	of      int
	last    []time.Duration // how long each experiment takes, about

	mu    sync.Mutex
	at    runner.Progress
	begun time.Time // when the experiment of at began
}

// goodput counts, for the runner, the requests due in a stretch of which it is
// known whether they are good.
func (w *watch) goodput(from, to time.Time) (good, decided int) {
	return goodput(w.g.Live().Seconds, from.Sub(w.start), to.Sub(w.start))
}

// goodput counts in whole seconds, as the load is counted, and as many of them
// as the stretch is long: both of its ends are moved back to where a second
// begins.
func goodput(seconds []loadgen.Second, from, to time.Duration) (good, decided int) {
	from, to = from.Truncate(time.Second), to.Truncate(time.Second)
	for _, s := range seconds {
		if from <= s.From && s.From < to {
			_, n := s.Goodput()
			good, decided = good+s.Good, decided+n
		}
	}
	return good, decided
}

// expected is about how long one experiment takes without a watch: up to a second until it
// strikes, the hold, a second or two for the proofs, the recovery, the audit.
const expected = 13 * time.Second

// quietUsual is how long quiescence and the final audit usually take.
const quietUsual = 4 * time.Second

func (w *watch) progress(p runner.Progress) {
	w.mu.Lock()
	if p.Index != w.at.Index {
		w.begun = time.Now()
	}
	w.at = p
	w.mu.Unlock()
	w.tell()
}

func (w *watch) tell() {
	w.mu.Lock()
	s := Status{Progress: w.at}
	begun := w.begun
	w.mu.Unlock()
	s.Left = quietUsual
	switch s.Phase {
	case "quiet":
	case "warm-up", "baseline":
		s.Left += w.from(0) + max(0, warmUp+runner.Baseline-time.Since(w.start))
	default:
		s.Left += w.from(s.Index) + max(0, w.from(s.Index-1)-w.from(s.Index)-time.Since(begun))
	}
	s.Live = w.g.Live()
	w.observe(s)
}

// from is about how long the experiments take from the one of that place on.
func (w *watch) from(place int) time.Duration {
	left := time.Duration(0)
	for i, d := range w.last {
		if i >= place {
			left += d
		}
	}
	return left
}

func (w *watch) every(d time.Duration) (stop func()) {
	tick, done := time.NewTicker(d), make(chan struct{})
	go func() {
		for {
			select {
			case <-tick.C:
				w.tell()
			case <-done:
				return
			}
		}
	}()
	return func() { tick.Stop(); close(done) }
}
