package check_test

import (
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
)

// TestStability has goodput go away with the second experiment and come back
// early, late, by and by, or not at all.
func TestStability(t *testing.T) {
	const lifted = secondBegun + liftingAfter + 0.1
	const far = lifted + 125
	down := func(w *world, from, to float64) { w.each(from, to, failed) }
	gaveUp := func(t *testing.T, w *world) { w.entry(t, recommendDown, chaos.Recovered).Kind = chaos.NotRecovered }
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, w *world)
		want  string
	}{
		{"back at once", func(*testing.T, *world) {}, chaos.Stable},
		{"back after five seconds", func(_ *testing.T, w *world) { w.prolong(far); down(w, lifted, lifted+5) }, chaos.Stable},
		{"back after half a minute", func(t *testing.T, w *world) {
			w.prolong(far)
			gaveUp(t, w)
			down(w, lifted, lifted+30)
		}, chaos.SlowDrain},
		{"down to the end of two minutes", func(t *testing.T, w *world) {
			w.prolong(far)
			gaveUp(t, w)
			down(w, lifted, far)
		}, chaos.Metastable},
		{"down, and nobody looked for long", func(t *testing.T, w *world) {
			gaveUp(t, w)
			down(w, lifted, loadStopped)
		}, chaos.Unclear},
		{"down, and far more was asked for", func(t *testing.T, w *world) {
			w.prolong(far)
			gaveUp(t, w)
			for s := lifted + 60; s < lifted+120; s += 0.015 {
				w.request(loadgen.ClassHome, s, 0.01)
			}
			down(w, lifted, far)
		}, chaos.Unclear},
		{"half of it well in the second minute, and none in the first", func(t *testing.T, w *world) {
			w.prolong(far)
			gaveUp(t, w)
			down(w, lifted, lifted+60)
			n := 0
			w.each(lifted+60, far, func(r *loadgen.Request) {
				if n++; n%3 == 0 {
					failed(r)
				}
			})
		}, chaos.SlowDrain},
		{"half of it well, all the time", func(t *testing.T, w *world) {
			w.prolong(far)
			gaveUp(t, w)
			n := 0
			w.each(lifted, far, func(r *loadgen.Request) {
				if n++; n%3 == 0 {
					failed(r)
				}
			})
		}, chaos.Unclear},
		{"down, and watched for two minutes exactly", func(t *testing.T, w *world) {
			w.entry(t, recommendDown, chaos.Lifted).Time = moment(33)
			w.prolong(33 + 120)
			gaveUp(t, w)
			down(w, 33, 33+120)
		}, chaos.Metastable},
		{"a fault that passes: from its injection", func(t *testing.T, w *world) {
			w.passing(recommendDown)
			down(w, secondBegun+injectedAfter, secondBegun+injectedAfter+4)
		}, chaos.Stable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := golden()
			c.spoil(t, w)
			s := of(t, judge(w), recommendDown).Stability
			if s == nil || s.Class != c.want || s.Text == "" || s.Watched <= 0 {
				t.Fatalf("got %+v, want %s", s, c.want)
			}
			if c.want == chaos.Metastable && (s.Goodput == nil || *s.Goodput > 0.1 || s.Offered == nil || *s.Offered > 1 || s.Amplification == nil) {
				t.Errorf("its figures are %+v", s)
			}
		})
	}
	// Up to ten seconds are at once.
	seen := map[float64]bool{}
	for outage := 9.8; outage < 10.3; outage += 0.1 {
		w := golden()
		w.prolong(far)
		down(w, lifted, lifted+outage)
		e := of(t, judge(w), recommendDown)
		took := *e.Recovery.Seconds
		if seen[took] = true; (e.Stability.Class == chaos.Stable) != (took <= 10) {
			t.Errorf("%g s are %s", took, e.Stability.Class)
		}
	}
	if !seen[10] {
		t.Errorf("no recovery took ten seconds: %v", seen)
	}
	w := golden()
	w.erase(recommendDown, chaos.Lifting, chaos.Lifted, chaos.LiftProven, chaos.Recovered)
	if e := of(t, judge(w), recommendDown); e.Stability != nil || e.Restoration != nil {
		t.Errorf("nothing was lifted: %+v, %+v", e.Stability, e.Restoration)
	}
}
