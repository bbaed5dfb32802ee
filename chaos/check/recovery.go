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
	// looked is how many seconds after the lift must be in the record before it
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
	x := v.recoveryTime(fromDue)
	switch {
	case x.value == nil:
	case math.IsInf(*x.value, 1):
		r.Status = "not-recovered"
	default:
		r.Status, r.Seconds = "recovered", x.value
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
	Check: Check{"recovery", "once the fault is lifted, goodput comes back"},
	judge: func(v *view) []chaos.Finding {
		for _, l := range v.spec.Hypothesis.Limits {
			if l.Metric == "recovery" {
				return nil // its own limit says more
			}
		}
		x := v.recoveryTime(fromSent)
		if x.value == nil || !math.IsInf(*x.value, 1) {
			return nil
		}
		f := chaos.Finding{Verdict: chaos.Fail, Mechanism: "recovery",
			Text: fmt.Sprintf("goodput did not come back in the %d s after the lift", x.n)}
		f.Site, f.Trace, f.Count = v.blame(chaos.Limit{Phase: "after"})
		if v.lateIn("after") != "" {
			f.Verdict = chaos.Inconclusive
		}
		return []chaos.Finding{f}
	},
}

// recoveryTime is the time from the last lift to the first stretch of
// recoveredFor seconds in the band; infinite if there is none although the
// record looks long enough, nil if it is too short to tell. n is how many
// seconds after the lift there are.
//
// The stretch is taken as a whole, as the runner does that waits for it: at a
// low rate a single failed request would put its own second out of the band.
func (v *view) recoveryTime(c clock) reading {
	if !v.harmed || v.lifted < 0 {
		return reading{}
	}
	normal := v.m.sample(v.baseline, "", c)
	if normal.n == 0 {
		return reading{}
	}
	least := float64(normal.good)/float64(normal.n) - band
	n := int(v.after.To - v.lifted)
	rs := v.m.due(chaos.Window{From: v.lifted, To: v.after.To})
	good, from, to := 0, 0, 0
	for i := 0; ; i++ {
		begin := v.lifted + float64(i)*step
		if begin+recoveredFor > v.after.To {
			break
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
		if of := to - from; of > 0 && float64(good) >= least*float64(of) {
			took := math.Round(float64(i)*step*10) / 10
			return reading{&took, n}
		}
	}
	if _, gaveUp := v.has(chaos.NotRecovered); gaveUp || v.ended && n >= looked {
		never := math.Inf(1)
		return reading{&never, n}
	}
	return reading{nil, n}
}
