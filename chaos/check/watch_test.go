package check_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/topology"
)

// The clock of the second experiment when it has a watch: its trigger is lifted
// as its fault is in the golden run, and the bottleneck so much later.
const (
	triggerGone = secondBegun + liftingAfter + 0.1
	watchedTo   = triggerGone + 121
	watchEnded  = watchedTo + 6
)

// watching gives the second experiment a watch on a bottleneck between gateway
// and catalog, and its callers so many attempts for each first one: before the
// trigger, while it is on, and afterwards.
func (w *world) watching(t *testing.T, usual, under, after int) {
	t.Helper()
	w.prolong(watchEnded + 1)
	w.capacity = 75 // pages ask the catalogue some fifty times a second
	for i := range w.plan.Experiments {
		if w.plan.Experiments[i].Name == recommendDown {
			w.plan.Experiments[i].Watch = topology.Duration(2 * time.Minute)
		}
	}
	id := recommendDown + "/2"
	for i := range w.schedule.Experiments {
		if e := &w.schedule.Experiments[i]; e.Name == recommendDown {
			e.Faults[0].Duration = topology.Duration(6 * time.Second)
			e.Faults = append(e.Faults, chaos.Resolved{ID: id, Action: "capacity", Links: []topology.Link{{From: "gateway-1", To: "catalog-1"}}, Args: chaos.RawArgs(`{}`)})
		}
	}
	for _, kind := range []chaos.EntryKind{chaos.Recovered, chaos.Audited, chaos.ExperimentEnded} {
		w.entry(t, recommendDown, kind).Time = moment(watchEnded)
	}
	w.log(secondBegun+0.5, chaos.Injecting, recommendDown, id, "")
	w.log(secondBegun+injectedAfter, chaos.Injected, recommendDown, id, "")
	w.log(secondBegun+1, chaos.Proven, recommendDown, id, "it is narrow")
	w.log(watchedTo, chaos.Lifting, recommendDown, id, "")
	w.log(watchedTo+0.1, chaos.Lifted, recommendDown, id, "")
	w.log(watchedTo+0.2, chaos.LiftProven, recommendDown, id, "it is wide")
	w.span(w.id(), "gateway", "catalog", triggerGone-1, 0.01, 1, "UNAVAILABLE") // it has met the bottleneck
	for s := baselineFrom; s < watchedTo; s += 0.1 {                            // ten a second more
		n := usual
		switch {
		case s >= triggerGone:
			n = after
		case s >= secondBegun+injectedAfter:
			n = under
		}
		tr := w.id()
		for attempt := 1; attempt <= n; attempt++ {
			w.span(tr, "gateway", "catalog", s, 0.01, attempt, "OK")
		}
	}
}

// badWatches are of systems that a trigger has broken for good.
var badWatches = []bad{
	{"broken until the bottleneck goes", func(t *testing.T, w *world) {
		w.watching(t, 1, 3, 3)
		w.failAt(triggerGone, watchedTo, "gateway", "catalog")
	}, "stability", "gateway->catalog", recommendDown, chaos.Fail},
}

// TestWatch has a trigger go and the system get well, or not, while what it
// stands on stays as narrow as it was. What happens when that goes as well is
// not its doing.
func TestWatch(t *testing.T) {
	sick := func(w *world, from, to float64) { w.failAt(from, to, "gateway", "catalog") }
	for _, c := range []struct {
		name  string
		make  func(t *testing.T, w *world)
		class string
		found chaos.Verdict // of the check; Pass: it finds nothing
	}{
		{"well at once, and sparing", func(t *testing.T, w *world) { w.watching(t, 1, 2, 1) }, chaos.Stable, chaos.Pass},
		{"well at once, and it asked three times", func(t *testing.T, w *world) { w.watching(t, 1, 3, 1) }, chaos.Vulnerable, chaos.Pass},
		{"well after half a minute", func(t *testing.T, w *world) {
			w.watching(t, 1, 3, 1)
			sick(w, triggerGone, triggerGone+30)
		}, chaos.SlowDrain, chaos.Pass},
		{"broken until the bottleneck goes", func(t *testing.T, w *world) {
			w.watching(t, 1, 3, 3)
			sick(w, triggerGone, watchedTo)
		}, chaos.Metastable, chaos.Fail},
		{"well for a while, then broken", func(t *testing.T, w *world) {
			w.watching(t, 1, 3, 3)
			sick(w, triggerGone+20, watchedTo)
		}, chaos.Metastable, chaos.Fail},
		{"broken, and a third more was asked for", func(t *testing.T, w *world) {
			w.watching(t, 1, 3, 3)
			for s := triggerGone + 60; s < triggerGone+120; s += 0.015 {
				w.request(loadgen.ClassHome, s, 0.01)
			}
			sick(w, triggerGone, watchedTo)
		}, chaos.Unclear, chaos.Inconclusive},
		{"ill to the end, and never broken", func(t *testing.T, w *world) {
			w.watching(t, 1, 1, 1)
			n := 0
			w.each(triggerGone, watchedTo, func(r *loadgen.Request) {
				if n++; n%3 == 0 {
					failed(r)
				}
			})
		}, chaos.Unclear, chaos.Fail},
		{"broken, and watched for a minute", func(t *testing.T, w *world) {
			w.watching(t, 1, 3, 3)
			sick(w, triggerGone, watchedTo)
			for i := range w.journal {
				if e := &w.journal[i]; e.ID == recommendDown+"/2" && e.Time.After(moment(triggerGone)) {
					e.Time = e.Time.Add(-time.Minute)
				}
			}
		}, chaos.Unclear, chaos.Inconclusive},
		{"broken, and the generator was late", func(t *testing.T, w *world) {
			w.watching(t, 1, 3, 3)
			sick(w, triggerGone, watchedTo)
			w.each(triggerGone+60, watchedTo, func(r *loadgen.Request) { r.Sent = r.Due + 2*time.Second; r.Done = r.Sent + 10*time.Millisecond })
		}, chaos.Metastable, chaos.Inconclusive},
		{"the trigger alone, and broken", func(t *testing.T, w *world) {
			w.watching(t, 1, 1, 1)
			for i := range w.schedule.Experiments {
				if e := &w.schedule.Experiments[i]; e.Name == recommendDown {
					e.Faults = e.Faults[:1]
				}
			}
			sick(w, triggerGone, watchEnded)
		}, chaos.Metastable, chaos.Fail},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := golden()
			c.make(t, w)
			e := of(t, judge(w), recommendDown)
			if e.Stability == nil || e.Stability.Class != c.class || e.Stability.Text == "" {
				t.Fatalf("got %+v, want %s", e.Stability, c.class)
			}
			var found *chaos.Finding
			for i, f := range e.Findings {
				if f.Check == "stability" {
					found = &e.Findings[i]
				}
			}
			switch {
			case (found != nil) != (c.found != chaos.Pass):
				t.Fatalf("found %+v, want %s", found, c.found)
			case found == nil:
			case found.Verdict != c.found:
				t.Errorf("found %+v, want %s", found, c.found)
			case c.class == chaos.Metastable && (found.Site != "gateway->catalog" || found.Trace == "" || found.Repeat == ""):
				t.Errorf("it does not say where: %+v", found)
			}
		})
	}
}

// TestHeadroom reads a bottleneck's capacity and what would be asked of it.
func TestHeadroom(t *testing.T) {
	w := golden()
	w.watching(t, 1, 3, 1)
	s := of(t, judge(w), recommendDown).Stability
	h := s.Headroom
	if h == nil || h.Edge != "gateway->catalog" || h.Capacity != 75 || h.Usual < 59 || h.Usual > 61 || h.Attempts == nil || h.Needed == nil {
		t.Fatalf("got %+v", h)
	}
	if *h.Attempts < 1.3 || *h.Attempts > 1.36 || *h.Needed < 1.04 || *h.Needed > 1.1 {
		t.Errorf("%v attempts, of which %v would be needed; want a third more, and 1.07", *h.Attempts, *h.Needed)
	}
	if !strings.Contains(s.Text, "1.33 attempts") || !strings.Contains(s.Text, "106.") {
		t.Errorf("it says %q", s.Text)
	}
	w = golden()
	w.watching(t, 1, 3, 1)
	w.capacity = 0
	if s := of(t, judge(w), recommendDown).Stability; s.Headroom != nil || s.Class != chaos.Stable {
		t.Errorf("without a bottleneck: %+v", s)
	}
	if s := of(t, judge(golden()), recommendDown).Stability; s.Headroom != nil {
		t.Errorf("without a watch: %+v", s)
	}
}
