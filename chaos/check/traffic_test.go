package check_test

import (
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// stampede lets the catalogue ask its store so often a second, in a stretch.
func (w *world) stampede(from, to, often float64) {
	for s := from; s < to; s += 1 / often {
		at := w.span(w.id(), "catalog", "postgres", s, 0.001, 0, "OK")
		at.Kind = collector.Client
	}
}

// TestTraffic has a store be asked as often as usual, and ten times as often.
func TestTraffic(t *testing.T) {
	for _, c := range []struct {
		name   string
		often  float64
		limits chaos.Verdict
	}{{"as usual", 2, chaos.Pass}, {"by everybody", 20, chaos.Fail}} {
		t.Run(c.name, func(t *testing.T) {
			w := golden()
			known := false
			for _, e := range w.plan.Topology.Edges {
				known = known || e.Name() == "catalog->postgres"
			}
			if !known {
				w.plan.Topology.Edges = append(w.plan.Topology.Edges, topology.Edge{From: "catalog", To: "postgres", Protocol: topology.Postgres})
			}
			w.limit(bankCut, chaos.Limit{Metric: "traffic", Phase: "fault", Edge: "catalog->postgres", Max: 5})
			w.stampede(0, firstBegun, 2)
			w.stampede(firstBegun, firstBegun+9, c.often)
			e := of(t, judge(w), bankCut)
			if e.Verdict != c.limits {
				t.Errorf("got %s: %+v", e.Verdict, e.Findings)
			}
			if c.limits == chaos.Fail && (len(e.Findings) != 1 || e.Findings[0].Check != "hypothesis" || e.Findings[0].Site != "catalog->postgres") {
				t.Errorf("got %+v", e.Findings)
			}
		})
	}
}
