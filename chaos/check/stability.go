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

// stability classifies what the system did once the fault, or of a watch the
// trigger, was gone; nil if none was lifted. A fault that passes by itself is
// gone when it has struck.
func (v *view) stability() *chaos.Stability {
	if !v.harmed || v.lifted < 0 {
		return nil
	}
	x, of, to := v.comesBack()
	s := &chaos.Stability{Class: chaos.Unclear, Watched: tenths(max(0, to-of.at)), Headroom: v.headroom()}
	if v.look(s, chaos.Window{From: of.at + lookFrom, To: of.at + lookTo}, to) && v.stays(s, x) {
		return s
	}
	switch {
	case x.value == nil:
		s.Text = "the record is too short to tell whether goodput came back"
	case *x.value <= swift:
		s.Class, s.Text = chaos.Stable, fmt.Sprintf("goodput was back within %s of the %s", amount(max(1, *x.value), "s"), of.since)
		if h := s.Headroom; h != nil && h.Needed != nil && *h.Needed >= 1 {
			s.Class = chaos.Vulnerable
			s.Text += fmt.Sprintf("; but with the %.2f attempts for each first one that it made under the trigger, %s of the capacity would be asked for: a longer one may break it for good",
				*h.Attempts, figure("goodput", *h.Needed))
		}
	case !math.IsInf(*x.value, 1):
		s.Class, s.Text = chaos.SlowDrain, fmt.Sprintf("goodput took %s from the %s to come back", amount(*x.value, "s"), of.since)
	case s.Goodput == nil:
		s.Text = fmt.Sprintf("goodput did not come back in %.0f s; whether it stays away takes %d s to tell", s.Watched, lookTo)
	default:
		v.classify(s, of)
	}
	return s
}

// comesBack is how long goodput took to come back once the system was left to itself,
// from where that counts, and to where it was seen.
func (v *view) comesBack() (x reading, of comeback, to float64) {
	trigger, ground := v.watched()
	if trigger.To < 0 {
		x, of = v.recovery(fromDue)
		return x, of, v.after.To
	}
	to = v.after.To
	if ground >= 0 {
		to = ground
	}
	of = comeback{trigger.To, "end of the trigger"}
	if normal := v.m.sample(v.baseline, "", fromDue); normal.n > 0 {
		x = v.backIn(chaos.Window{From: of.at, To: to}, float64(normal.good)/float64(normal.n)-band, fromDue)
	}
	return x, of, to
}

// watched is when the trigger of a watch was on, and when what the system stood
// on the while began to be lifted: never, if the experiment has no watch, or
// nothing that lasts through it.
func (v *view) watched() (trigger chaos.Window, ground float64) {
	trigger, ground = chaos.Window{From: never, To: never}, never
	if v.spec.Watch <= 0 {
		return trigger, ground
	}
	for _, f := range v.faults {
		if f.Duration == 0 {
			if e, was := v.first(f.ID, chaos.Lifting); was && (ground < 0 || v.m.at(e.Time) < ground) {
				ground = v.m.at(e.Time)
			}
			continue
		}
		if e, was := v.first(f.ID, chaos.Injected); was && (trigger.From < 0 || v.m.at(e.Time) < trigger.From) {
			trigger.From = v.m.at(e.Time)
		}
		if e, was := v.first(f.ID, chaos.Lifted); was {
			trigger.To = max(trigger.To, v.m.at(e.Time))
		}
	}
	return trigger, ground
}

// look takes the figures of the second minute; false if nobody looked so long.
func (v *view) look(s *chaos.Stability, w chaos.Window, to float64) bool {
	_, usual := v.m.bySecond(v.baseline)
	_, late := v.m.bySecond(w)
	if w.To > to || len(late) == 0 || len(usual) == 0 || stats.Median(usual) == 0 {
		return false
	}
	goodput := stats.Median(late) / stats.Median(usual)
	offered := v.m.perSecond(w) / v.m.perSecond(v.baseline)
	s.Goodput, s.Offered, s.Amplification = &goodput, &offered, v.m.amplification("", w).value
	return true
}

// late says in words how the second minute was.
func late(s *chaos.Stability) string {
	why := ""
	if a := s.Amplification; a != nil {
		why = fmt.Sprintf(", with %.2f attempts for each first one", *a)
	}
	return fmt.Sprintf("in the second minute after the fault goodput was %s of the baseline's%s", figure("goodput", *s.Goodput), why)
}

// stays reports that the system was broken in the second minute, also if goodput
// had come back for a moment before.
func (v *view) stays(s *chaos.Stability, x reading) bool {
	if *s.Goodput >= broken || *s.Offered > noMore {
		return false
	}
	s.Class, s.Text = chaos.Metastable, late(s)+", though nobody asked for more"
	if x.value != nil && !math.IsInf(*x.value, 1) {
		s.Text += fmt.Sprintf("; %s after it, it had been back for a moment", amount(max(1, *x.value), "s"))
	}
	return true
}

// classify tells a system that did not come back and is not broken by the second
// minute, or was asked for more.
func (v *view) classify(s *chaos.Stability, of comeback) {
	_, early := v.m.bySecond(chaos.Window{From: of.at, To: of.at + lookFrom})
	_, then := v.m.bySecond(chaos.Window{From: of.at + lookFrom, To: of.at + lookTo})
	switch {
	case *s.Offered > noMore:
		s.Text = fmt.Sprintf("%s; but %.2f times as much was asked for, which may be why", late(s), *s.Offered)
	case len(early) > 0 && stats.Median(then) > stats.Median(early)+band:
		s.Class, s.Text = chaos.SlowDrain, late(s)+", and rising"
	default:
		s.Text = late(s) + ": neither broken nor coming back"
	}
}

// perSecond is how many requests were due in a second of a window.
func (m *meter) perSecond(w chaos.Window) float64 {
	return float64(len(m.due(w))) / (w.To - w.From)
}
