package check

import (
	"fmt"
	"math"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
)

const (
	// recoveredFor is how many seconds goodput must stay in the baseline's band.
	recoveredFor = 3
	// band is how far below the baseline's goodput is still normal: one request
	// in a hundred.
	band = 0.01
	// looked is how many seconds of a recovery must be in the record before it
	// may say that goodput never came back: two stretches of recoveredFor.
	looked = 2 * recoveredFor
	// step is how finely the beginning of the recovery is told, in seconds: a
	// dozen requests at the default rate.
	step = 0.1
)

// recovery says whether the fault is gone and the system well again.
func recovery(v *view) chaos.Recovery {
	r := chaos.Recovery{Status: "none"}
	failed, proven, injected := v.lifts()
	switch {
	case len(failed) > 0:
		return chaos.Recovery{Status: "not-lifted", Lift: strings.Join(failed, "; ")}
	case injected == 0 || len(proven) < injected:
		return r
	}
	r.Lift = strings.Join(unique(proven), "; ")
	x, of := v.recovery(fromDue)
	switch {
	case x.value == nil:
	case math.IsInf(*x.value, 1):
		r.Status = "not-recovered"
	default:
		r.Status, r.Seconds, r.Since = "recovered", x.value, of.since
	}
	return r
}

// lifts says what became of each fault that may have been on. What the journal
// says last of a fault counts: one that resisted may have been healed.
func (v *view) lifts() (failed, proven []string, injected int) {
	whole := false
	for _, e := range v.m.rec.Journal {
		whole = whole || e.Kind == chaos.RunEnded
	}
	for _, f := range v.faults {
		if _, was := v.last(f.ID, chaos.Injecting, chaos.Injected); !was {
			continue
		}
		injected++
		e, ok := v.last(f.ID, chaos.LiftProven, chaos.LiftFailed)
		switch {
		case ok && e.Kind == chaos.LiftProven:
			proven = append(proven, e.Detail)
		case ok:
			failed = append(failed, f.ID+": "+e.Detail)
		case whole:
			failed = append(failed, f.ID+": the journal does not show that it was lifted")
		}
	}
	return failed, proven, injected
}

// lifted: what Bedlam broke it has put back.
var lifted = experimentCheck{
	Check: Check{"lift", "every fault is lifted, and a read-back shows it"},
	on:    onRecord,
	judge: func(v *view) []chaos.Finding {
		failed, _, _ := v.lifts()
		if len(failed) == 0 {
			return nil
		}
		return []chaos.Finding{{Verdict: chaos.Inconclusive, Mechanism: "lift", Count: len(failed),
			Text: "could not be lifted: " + strings.Join(failed, "; ")}}
	},
}

// recovered: the system gets well once the fault is gone.
var recovered = experimentCheck{
	Check: Check{"recovery", "once the fault is gone, goodput comes back"},
	judge: func(v *view) []chaos.Finding {
		for _, l := range v.spec.Hypothesis.Limits {
			if l.Metric == "recovery" {
				return nil // its own limit says more
			}
		}
		x, of := v.recovery(fromSent)
		if x.value == nil || !math.IsInf(*x.value, 1) {
			return nil
		}
		f := chaos.Finding{Verdict: chaos.Fail, Mechanism: "recovery",
			Text: fmt.Sprintf("goodput did not come back in the %d s after the %s", x.n, of.since)}
		l := chaos.Limit{Metric: "recovery"}
		f.Site, f.Trace, f.Count = v.blame(l)
		if v.lateFor(l) != "" {
			f.Verdict = chaos.Inconclusive
		}
		return []chaos.Finding{f}
	},
}

// A comeback is what a recovery is counted from: the moment from which on the
// system had itself to get well.
type comeback struct {
	at    float64
	since string // lift or injection
}

// comebacks returns one for all faults that stay until they are lifted, the last
// lift, and one for each that passes by itself. Its lift comes long after the
// system has got over it, or should have: counted from there, a slow recovery
// could not be seen.
func (v *view) comebacks() []comeback {
	var all []comeback
	last := comeback{never, "lift"}
	for _, f := range v.faults {
		if p, ok := v.m.rec.Faults[f.ID].(chaos.Passing); ok && p.Passes() {
			if e, was := v.last(f.ID, chaos.Injected); was {
				all = append(all, comeback{v.m.at(e.Time), "injection"})
			}
		} else if e, was := v.last(f.ID, chaos.Lifted); was {
			last.at = max(last.at, v.m.at(e.Time))
		}
	}
	if last.at < 0 && len(all) == 0 {
		last.at = v.lifted // of a fault that the schedule does not know
	}
	if last.at >= 0 {
		all = append(all, last)
	}
	return all
}

// recoveryTime is the time from a comeback to the first stretch of recoveredFor
// seconds in the band, of several the longest: a crash under another fault that
// keeps goodput out of the band has not been recovered from before that is gone.
// It is infinite if there is no such stretch although the record looks long
// enough, nil if it is too short to tell. n is how many seconds after the
// comeback there are.
//
// The stretch is taken as a whole, as the runner does that waits for it: at a
// low rate a single failed request would put its own second out of the band.
func (v *view) recoveryTime(c clock) reading {
	x, _ := v.recovery(c)
	return x
}

// recovery is recoveryTime, and from where it counts.
func (v *view) recovery(c clock) (reading, comeback) {
	normal := v.m.sample(v.baseline, "", c)
	if !v.harmed || v.lifted < 0 || normal.n == 0 {
		return reading{}, comeback{}
	}
	least := float64(normal.good)/float64(normal.n) - band
	var longest reading
	var of comeback
	for i, b := range v.comebacks() {
		x := v.backIn(chaos.Window{From: b.at, To: v.after.To}, least, c)
		// One that cannot be told may be longer than any but one that never came.
		if i == 0 || slower(x, longest) {
			longest, of = x, b
		}
	}
	return longest, of
}

// slower reports whether a is the longer recovery, or may be.
func slower(a, b reading) bool {
	switch {
	case b.value != nil && math.IsInf(*b.value, 1):
		return false
	case a.value == nil:
		return true
	}
	return b.value != nil && *a.value > *b.value || math.IsInf(*a.value, 1)
}

// backIn is the time from the beginning of a window until goodput is, for
// recoveredFor seconds, at least so high.
func (v *view) backIn(w chaos.Window, least float64, c clock) reading {
	n := int(w.To - w.From)
	var took *float64
	v.m.sliding(w, least, c, func(begin float64, in bool) bool {
		if in {
			x := tenths(begin - w.From)
			took = &x
		}
		return !in
	})
	if took != nil {
		return reading{took, n}
	}
	if _, gaveUp := v.has(chaos.NotRecovered); gaveUp && w.To == v.after.To || v.ended && n >= looked {
		never := math.Inf(1)
		return reading{&never, n}
	}
	return reading{nil, n}
}

// tenths rounds seconds to what a step can tell.
func tenths(s float64) float64 { return math.Round(s*10) / 10 }

// sliding calls yield for each stretch of recoveredFor seconds in a window, a
// step apart, until it returns false: when it begins, and whether goodput in it
// is at least so high.
func (m *meter) sliding(w chaos.Window, least float64, c clock, yield func(begin float64, in bool) bool) {
	rs := m.due(w)
	good, from, to := 0, 0, 0
	for i := 0; ; i++ {
		begin := w.From + float64(i)*step
		if begin+recoveredFor > w.To {
			return
		}
		for ; to < len(rs) && rs[to].Due.Seconds() < begin+recoveredFor; to++ {
			if c.useful(rs[to]) {
				good++
			}
		}
		for ; from < to && rs[from].Due.Seconds() < begin; from++ {
			if c.useful(rs[from]) {
				good--
			}
		}
		if of := to - from; !yield(begin, of > 0 && float64(good) >= least*float64(of)) {
			return
		}
	}
}
