package check

import (
	"fmt"
	"math"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/stats"
)

const (
	// swift is within how many seconds a system is well again that bears its
	// faults; whoever takes longer has a backlog to work off.
	swift = 10
	// lookFrom and lookTo are the seconds after the fault that tell whether a
	// system stays broken: the second minute, by whose beginning every time-out,
	// back-off and breaker has come to its end many times over.
	lookFrom, lookTo = 60, 120
	// broken is the share of its usual goodput below which a system is broken
	// rather than ill.
	broken = 0.5
	// noMore is up to how much more than before may be asked for, as the same:
	// arrivals of a minute differ by a percent or two.
	noMore = 1.05
)

// stability classifies what the system did once the fault was gone; nil if none
// was lifted. A fault that passes by itself is gone when it has struck.
func (v *view) stability() *chaos.Stability {
	if !v.harmed || v.lifted < 0 {
		return nil
	}
	x, of := v.recovery(fromDue)
	s := &chaos.Stability{Class: chaos.Unclear, Watched: tenths(v.after.To - of.at)}
	switch {
	case x.value == nil:
		s.Text = "the record is too short to tell whether goodput came back"
		return s
	case *x.value <= swift:
		s.Class, s.Text = chaos.Stable, fmt.Sprintf("goodput was back within %s of the %s", amount(max(1, *x.value), "s"), of.since)
		return s
	case !math.IsInf(*x.value, 1):
		s.Class, s.Text = chaos.SlowDrain, fmt.Sprintf("goodput took %s from the %s to come back", amount(*x.value, "s"), of.since)
		return s
	}
	w := chaos.Window{From: of.at + lookFrom, To: of.at + lookTo}
	_, usual := v.m.bySecond(v.baseline)
	_, late := v.m.bySecond(w)
	if w.To > v.after.To || len(late) == 0 || len(usual) == 0 || stats.Median(usual) == 0 {
		s.Text = fmt.Sprintf("goodput did not come back in %.0f s; whether it stays away takes %d s to tell", s.Watched, lookTo)
		return s
	}
	goodput := stats.Median(late) / stats.Median(usual)
	offered := v.m.perSecond(w) / v.m.perSecond(v.baseline)
	s.Goodput, s.Offered, s.Amplification = &goodput, &offered, v.m.amplification("", w).value
	v.classify(s, w, late)
	return s
}

// classify tells a system that did not come back by the second minute after the
// fault.
func (v *view) classify(s *chaos.Stability, w chaos.Window, late []float64) {
	_, early := v.m.bySecond(chaos.Window{From: w.From - lookFrom, To: w.From})
	why := ""
	if a := s.Amplification; a != nil {
		why = fmt.Sprintf(", with %.2f attempts for each first one", *a)
	}
	what := fmt.Sprintf("in the second minute after the fault goodput was %s of the baseline's%s", figure("goodput", *s.Goodput), why)
	switch {
	case *s.Offered > noMore:
		s.Text = fmt.Sprintf("%s; but %.2f times as much was asked for, which may be why", what, *s.Offered)
	case *s.Goodput < broken:
		s.Class, s.Text = chaos.Metastable, what+", though nobody asked for more"
	case len(early) > 0 && stats.Median(late) > stats.Median(early)+band:
		s.Class, s.Text = chaos.SlowDrain, what+", and rising"
	default:
		s.Text = what + ": neither broken nor coming back"
	}
}

// perSecond is how many requests were due in a second of a window.
func (m *meter) perSecond(w chaos.Window) float64 {
	return float64(len(m.due(w))) / (w.To - w.From)
}
