package check_test

import (
	"math"
	"slices"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// effect returns a row of what a fault did.
func effect(t *testing.T, res chaos.Result, experiment, metric string) chaos.Row {
	t.Helper()
	e := of(t, res, experiment)
	i := slices.IndexFunc(e.Rows, func(r chaos.Row) bool { return r.Metric == metric })
	if i < 0 {
		t.Fatalf("%s has no row %s", experiment, metric)
	}
	return e.Rows[i]
}

// near wants a figure within a tolerance.
func near(t *testing.T, r chaos.Row, want, within float64) {
	t.Helper()
	switch x := r.Fault; {
	case x == nil:
		t.Errorf("%s: no figure, want %g", r.Metric, want)
	case math.Abs(*x-want) > within:
		t.Errorf("%s: got %g, want %g", r.Metric, *x, want)
	}
}

// TestEffectsOfNothing looks at a shop that bears its faults.
func TestEffectsOfNothing(t *testing.T) {
	res := judge(golden())
	for _, m := range []string{"loss", "depth", "blast", "collateral", "dead-work"} {
		w := 0.1
		if m == "dead-work" { // no server left a span
			if x := effect(t, res, bankCut, m).Fault; x != nil {
				t.Errorf("dead-work: got %g of nothing", *x)
			}
			continue
		}
		near(t, effect(t, res, recommendDown, m), 0, w)
	}
	for _, m := range chaos.Effects {
		effect(t, res, bankCut, m.Name)
	}
	if x := effect(t, res, recommendDown, "debt").After; x == nil || *x != 0 {
		t.Errorf("debt: got %v, want 0", x)
	}
}

// TestEffects has all pages fail for three seconds, and a saga that stays.
func TestEffects(t *testing.T) {
	w := golden()
	w.each(firstBegun+2, firstBegun+5, failed)
	w.find(t, "checkout.audit_sagas", "order_id", w.inBank(t).Order)["state"] = "running"
	for range 10 {
		parent := w.work("gateway", faulty, 0.1, "OK")
		c := w.call(parent, "catalog", "Get", faulty, 0.1, 1, "DEADLINE_EXCEEDED")
		w.under(c, "catalog", collector.Server, faulty, 0.4, "OK") // goes on for three times as long as anybody waits
	}
	res := judge(w)
	// Pages are most of all requests; customers go on buying.
	near(t, effect(t, res, bankCut, "loss"), 2.6, 0.5)
	near(t, effect(t, res, bankCut, "depth"), 0.52, 0.1)
	near(t, effect(t, res, bankCut, "burn"), 2.6/2592, 0.5/2592)
	near(t, effect(t, res, bankCut, "resilience"), 1-2.6/6.4, 0.1)
	near(t, effect(t, res, bankCut, "detected"), 2, 1)
	near(t, effect(t, res, bankCut, "dead-work"), 0.6, 0.01)
	near(t, effect(t, res, bankCut, "blast"), 0.86, 0.1)
	if r := effect(t, res, bankCut, "mitigated"); r.Fault == nil || *r.Fault > 1 {
		t.Errorf("mitigated: got %v, want the first retry that went well", r.Fault)
	}
	if x := effect(t, res, bankCut, "debt").After; x == nil || *x != 1 {
		t.Errorf("debt: got %v, want 1", x)
	}
}
