package check_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
)

// surge adds requests that no customer made, in a stretch, a hundred a second,
// and lets each be spoilt.
func (w *world) surge(from, to float64, spoil func(*loadgen.Request)) {
	for s := from; s < to; s += 0.01 {
		r := w.request(loadgen.ClassProduct, s, 0.01)
		r.Surge, r.Journey = bankCut+"/1", 1<<32+uint64(len(w.requests))
		w.span(r.TraceID, "gateway", "catalog", s+0.001, 0.002, 1, "OK")
		spoil(r)
	}
}

// Whatever becomes of a surge, the figures are the customers': of goodput,
// latency, traffic, the generator and the run by the second.
func TestASurgeIsInNoFigure(t *testing.T) {
	calm, surging := golden(), golden()
	for _, w := range []*world{calm, surging} {
		w.limit(bankCut, chaos.Limit{Metric: "traffic", Phase: "fault", Edge: "gateway->catalog", Max: 1.2})
	}
	surging.surge(baselineFrom+2, baselineTo, func(r *loadgen.Request) { failed(r) })
	surging.surge(firstBegun+injectedAfter, firstBegun+liftingAfter, func(r *loadgen.Request) {
		failed(r)
		r.Sent += seconds(1) // the generator was late, too
		r.Done = r.Sent + seconds(2)
	})
	a, b := judge(calm), judge(surging)
	if b.Verdict != chaos.Pass || a.Verdict != chaos.Pass {
		t.Fatalf("calm %s, with a surge %s: %q", a.Verdict, b.Verdict, b.Reasons)
	}
	if b.Load.Surges < 1000 || b.Load.Requests != a.Load.Requests {
		t.Errorf("load is %+v, without a surge %+v", b.Load, a.Load)
	}
	b.Load.Surges = 0
	if !reflect.DeepEqual(a.Load, b.Load) || !reflect.DeepEqual(a.Series, b.Series) {
		t.Errorf("load is %+v, without a surge %+v", b.Load, a.Load)
	}
	for i, e := range of(t, a, bankCut).Rows {
		with := of(t, b, bankCut).Rows[i]
		if !slices.Contains([]string{"amplification"}, e.Metric) && !reflect.DeepEqual(e, with) {
			t.Errorf("%s: %+v, without a surge %+v", e.Metric, with, e)
		}
	}
}

// What was said to anybody must be true, and what anybody bought is in the books.
func TestASurgeIsHeldAgainstTheBooks(t *testing.T) {
	w := golden()
	w.surge(firstBegun+2, firstBegun+2.05, func(r *loadgen.Request) { r.Outcome, r.Reason = loadgen.Failed, "untrue" })
	if res := judge(w); res.Verdict != chaos.Fail || !slices.ContainsFunc(of(t, res, bankCut).Findings, func(f chaos.Finding) bool { return f.Check == "truth" && f.Site == "catalog" }) {
		t.Errorf("an untrue answer to a surge: %s %q", res.Verdict, res.Reasons)
	}
	w = golden()
	w.checkoutIn(t, firstBegun+1, firstBegun+6).Surge = bankCut + "/1"
	if res := judge(w); res.Verdict != chaos.Pass {
		t.Errorf("an order of a surge is not taken for one that somebody asked for: %q", res.Reasons)
	}
	w = golden()
	r := w.checkoutIn(t, firstBegun+1, firstBegun+6)
	r.Surge = bankCut + "/1"
	w.drop("orders.audit_orders", "order_id", r.Order)
	if res := judge(w); res.Verdict != chaos.Fail || !slices.ContainsFunc(of(t, res, bankCut).Findings, func(f chaos.Finding) bool { return f.Check == "no-lost-order" }) {
		t.Errorf("a lost order of a surge: %s %q", res.Verdict, res.Reasons)
	}
}
