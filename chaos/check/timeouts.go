package check

import (
	"fmt"
	"slices"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// On a busy machine an attempt may end late although its timer was set: the
// caller's process got no CPU, and with it nothing else of the process moved.
// A caller that has no timer goes on with everything else meanwhile. So the
// caller itself is asked: an attempt has outlived its timeout if its caller
// was awake in the time between.
//
//	     timeout                                     end
//	┌───────┼─────────────────────────────────────────┤ attempt
//	        │ ·    ·      ·   ·  ·      ·    ·   ·    │ awake: there was no timer
//	        │                                        ·│ stalled: nothing moved until the end
const (
	// aMoment is how far two signs of life must be apart to be two, and how
	// far from the timeout and the end to count. A process that wakes up does
	// what has piled up within milliseconds (a tenth of a second when it has
	// to share its CPU), and all of that is one sign.
	aMoment = 100 * time.Millisecond
	// awake is how many signs show that a process ran: one may be the slice of
	// CPU in which it was stopped again, of three at least one had the time to
	// fire a timer.
	awake = 3
)

// timeouts: an attempt never lasts longer than its edge's timeout.
var timeouts = experimentCheck{
	Check: Check{"timeouts", "no attempt outlives the timeout of its edge while its caller is awake"},
	on:    onFacts,
	needs: "traces",
	judge: func(v *view) []chaos.Finding {
		life := v.signs()
		return v.unlessLate("fault", v.perEdge(func(a *attempts) *chaos.Finding {
			limit := a.edge.Policy.Timeout.D()
			outlived := slices.DeleteFunc(slices.Clone(a.overran), func(s collector.Span) bool {
				return !lively(life[s.Instance], s.Start.Add(limit), s.End)
			})
			longest, n := worst(outlived, collector.Span.Duration)
			if n == 0 {
				return nil
			}
			return &chaos.Finding{Mechanism: "timeout", Count: n, Trace: longest.Trace.String(),
				Text: fmt.Sprintf("%d attempts on %s outlived its timeout of %s, the longest by %s",
					n, a.edge.Name(), limit, (longest.Duration() - limit).Round(time.Millisecond))}
		}))
	},
}

// signs returns when spans of each caller with an overrun began or ended, in
// order of time.
func (v *view) signs() map[string][]time.Time {
	life := map[string][]time.Time{}
	var from, to time.Time
	for _, a := range v.m.calls(v.fault) {
		for _, s := range a.overran {
			if s.Duration() < a.edge.Policy.Timeout.D()+2*aMoment {
				continue // too short for a sign
			}
			life[s.Instance] = nil
			if from.IsZero() || s.Start.Before(from) {
				from = s.Start
			}
			if s.End.After(to) {
				to = s.End
			}
		}
	}
	if len(life) == 0 {
		return nil
	}
	v.m.rec.Spans.Between(from, to, func(s collector.Span) bool {
		if at, ok := life[s.Instance]; ok {
			life[s.Instance] = append(at, s.Start, s.End)
		}
		return true
	})
	for _, at := range life {
		slices.SortFunc(at, time.Time.Compare)
	}
	return life
}

// lively reports whether a process with these signs of life was awake between.
func lively(signs []time.Time, from, to time.Time) bool {
	from, to = from.Add(aMoment), to.Add(-aMoment)
	i, _ := slices.BinarySearchFunc(signs, from, time.Time.Compare)
	seen := 0
	var last time.Time
	for ; i < len(signs) && signs[i].Before(to); i++ {
		if seen > 0 && signs[i].Sub(last) < aMoment {
			continue
		}
		last = signs[i]
		if seen++; seen == awake {
			return true
		}
	}
	return false
}
