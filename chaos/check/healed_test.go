package check_test

import (
	"math"
	"slices"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
)

// is wants a figure of the time after a fault.
func is(t *testing.T, r chaos.Row, want float64) {
	t.Helper()
	if r.After == nil || math.Abs(*r.After-want) > 1e-6 {
		t.Errorf("%s: got %v, want %g", r.Metric, r.After, want)
	}
}

func TestHealed(t *testing.T) {
	w := golden()
	is(t, effect(t, judge(w), bankCut, "healed"), 0.2)

	// A second fault of the same experiment takes longer to go.
	id := bankCut + "/2"
	w.schedule.Experiments[0].Faults = append(w.schedule.Experiments[0].Faults, chaos.Resolved{ID: id, Action: "latency", Instances: []string{"bank-1"}})
	for kind, at := range map[chaos.EntryKind]float64{chaos.Injecting: 0.5, chaos.Injected: 0.6, chaos.Lifting: 7, chaos.Lifted: 7.1, chaos.LiftProven: 8.5} {
		w.log(firstBegun+at, kind, bankCut, id, "")
	}
	is(t, effect(t, judge(w), bankCut, "healed"), 1.5)

	// The run dies with its fault on, and the guard comes for it.
	w = golden()
	w.erase(recommendDown, chaos.Lifting, chaos.Lifted, chaos.LiftProven, chaos.Recovered, chaos.Audited, chaos.ExperimentEnded)
	w.erase("", chaos.LoadStopped, chaos.Quiescent, chaos.RunEnded)
	last := 0.0
	for _, r := range w.requests {
		last = max(last, r.Done.Seconds())
	}
	w.log(last+2, chaos.Healed, "", recommendDown+"/1", "lifted after the run was cut short")
	is(t, effect(t, judge(w), recommendDown, "healed"), 2)

	w.erase("", chaos.Healed)
	if r := effect(t, judge(w), recommendDown, "healed"); r.After != nil {
		t.Errorf("nobody healed it, in %g s", *r.After)
	}
}

func TestAdapted(t *testing.T) {
	const from, to = firstBegun + injectedAfter, firstBegun + liftingAfter
	for name, c := range map[string]struct {
		bad  [][2]float64 // when pages fail
		want float64      // or never
	}{
		"never left the band":                 {nil, 0},
		"was out of it for two seconds":       {[][2]float64{{from, from + 2}}, 2},
		"came back, and was out again":        {[][2]float64{{from, from + 1}, {from + 2, from + 3}}, 3},
		"was out of it until the lift":        {[][2]float64{{from + 1, to + 1}}, never},
		"was back too late for three seconds": {[][2]float64{{from, to - 2}}, never},
	} {
		t.Run(name, func(t *testing.T) {
			w := golden()
			// Those who buy meet with more than an outage.
			w.requests = slices.DeleteFunc(w.requests, func(r loadgen.Request) bool { return r.Class != loadgen.ClassHome })
			for _, b := range c.bad {
				w.each(b[0], b[1], failed)
			}
			r := effect(t, judge(w), bankCut, "adapted")
			if r.N[1] != 6 {
				t.Errorf("it was looked at for %d s", r.N[1])
			}
			switch {
			case c.want == never && r.Fault != nil:
				t.Errorf("got %g s, want none", *r.Fault)
			case c.want != never:
				near(t, r, c.want, 0.2) // the band lets a few bad requests in
			}
		})
	}
}
