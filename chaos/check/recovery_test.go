package check_test

import (
	"slices"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
)

// TestWhereRecoveryCountsFrom has goodput out of the band from the injection for
// a while, under faults of either kind and of both.
func TestWhereRecoveryCountsFrom(t *testing.T) {
	const outage = 2.5
	lasting := func(at float64) func(*world) { // a second fault, that is injected with the first and lifted later
		return func(w *world) {
			id := recommendDown + "/2"
			w.schedule.Experiments[1].Faults = append(w.schedule.Experiments[1].Faults,
				chaos.Resolved{ID: id, Action: "latency", Instances: []string{"recommend-1"}, Args: chaos.RawArgs(`{"latency":"1s"}`)})
			w.log(secondBegun+0.5, chaos.Injecting, recommendDown, id, "")
			w.log(secondBegun+injectedAfter, chaos.Injected, recommendDown, id, "")
			w.log(secondBegun+1, chaos.Proven, recommendDown, id, "the probe saw it")
			w.log(at-0.1, chaos.Lifting, recommendDown, id, "")
			w.log(at, chaos.Lifted, recommendDown, id, "")
			w.log(at, chaos.LiftProven, recommendDown, id, "it is gone")
		}
	}
	for _, c := range []struct {
		name   string
		change func(w *world)
		from   float64 // of the outage
		want   float64
		since  string
	}{
		{"a fault that stays: from the lift, when it is over", func(*world) {}, secondBegun + injectedAfter, 0, "lift"},
		{"a fault that stays, and its outage after it", func(*world) {}, secondBegun + liftingAfter, outage - 0.1, "lift"},
		{"a fault that passes: from its injection", func(w *world) { w.passing(recommendDown) }, secondBegun + injectedAfter, outage, "injection"},
		{"both: the one that passes is worse", func(w *world) { w.passing(recommendDown); lasting(secondBegun + 5)(w) },
			secondBegun + injectedAfter, outage, "injection"},
		{"both: the one that stays is worse", func(w *world) { w.passing(recommendDown); lasting(secondBegun + 5)(w) },
			secondBegun + 5, outage, "lift"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := golden()
			w.limit(recommendDown, chaos.Limit{Metric: "recovery", Max: 10})
			// Those who buy meet with more than the outage.
			w.requests = slices.DeleteFunc(w.requests, func(r loadgen.Request) bool { return r.Class != loadgen.ClassHome })
			c.change(w)
			w.each(c.from, c.from+outage, failed)
			r := of(t, judge(w), recommendDown).Recovery
			if r.Status != "recovered" || r.Since != c.since {
				t.Fatalf("got %+v, want it recovered since the %s", r, c.since)
			}
			// The band lets a few bad requests in; the stretch begins a step early.
			if *r.Seconds < c.want-0.2 || *r.Seconds > c.want+0.2 {
				t.Errorf("recovered after %.1f s, want %.1f s", *r.Seconds, c.want)
			}
		})
	}
}
