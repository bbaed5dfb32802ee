package check_test

import (
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
)

// failAt lets pages fail at a hop of their own.
func (w *world) failAt(from, to float64, caller, callee string) {
	w.each(from, to, func(r *loadgen.Request) {
		if r.Class == loadgen.ClassHome {
			failed(r)
			w.span(r.TraceID, caller, callee, r.Due.Seconds()+0.006, 0.001, 1, "INTERNAL")
		}
	})
}

// TestEachPhaseHasItsOwnHops has pages fail at three places in three phases.
func TestEachPhaseHasItsOwnHops(t *testing.T) {
	w := golden()
	w.limit(bankCut,
		chaos.Limit{Metric: "goodput", Phase: "baseline", Min: 1, Max: 1},
		chaos.Limit{Metric: "goodput", Phase: "fault", Min: 0.9, Max: 1},
		chaos.Limit{Metric: "goodput", Phase: "after", Min: 0.99, Max: 1},
		chaos.Limit{Metric: "recovery", Max: 1})
	w.failAt(baselineFrom+1, baselineFrom+1.05, "recommend", "catalog")
	w.failAt(firstBegun+1, firstBegun+5, "gateway", "catalog")
	w.failAt(firstBegun+liftingAfter+0.1, firstBegun+liftingAfter+1.4, "gateway", "cart")
	w.failAt(firstBegun+11.6, firstBegun+12.9, "gateway", "orders")
	e := of(t, judge(w), bankCut)
	want := map[string]string{"baseline": "recommend->catalog", "fault": "gateway->catalog", "after": "gateway->orders"}
	first := map[string]string{}
	for _, h := range e.Hops {
		if first[h.Phase] == "" {
			first[h.Phase] = h.Site
		}
	}
	for phase, site := range want {
		if first[phase] != site {
			t.Errorf("in the phase %s most failed first at %q, want %s: %+v", phase, first[phase], site, e.Hops)
		}
	}
	blamed := map[string]bool{}
	for _, f := range e.Findings {
		if f.Check == "hypothesis" {
			blamed[f.Mechanism+" "+f.Site] = true
		}
	}
	for _, site := range []string{"goodput recommend->catalog", "goodput gateway->catalog", "goodput gateway->orders", "recovery gateway->cart"} {
		if !blamed[site] {
			t.Errorf("no limit blames %s: %v", site, blamed)
		}
	}
}
