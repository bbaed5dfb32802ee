package check_test

import (
	"slices"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/topology"
)

// What looks wrong and is not: each of these runs must pass.
func TestDecoys(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, w *world){
		"a pending order that ends cancelled": func(t *testing.T, w *world) {
			// The golden run has them; here one stands in the fault phase.
			id := w.find(t, "orders.audit_orders", "state", "CANCELLED")["order_id"]
			if id == "" {
				t.Fatal("the golden run has none")
			}
		},
		"a stalled machine: late attempts, and nothing else moved meanwhile": func(t *testing.T, w *world) {
			// The callers of the stall are instances that do nothing else.
			for _, to := range []string{"catalog", "cart", "orders"} {
				s := w.span(w.id(), "gateway", to, firstBegun+2, 2, 1, "DEADLINE_EXCEEDED")
				s.Instance = "gateway-2"
			}
		},
		"attempts that end late by as much as a busy machine needs": func(t *testing.T, w *world) {
			w.span(w.id(), "payment", "bank", firstBegun+2, 0.95, 1, "DEADLINE_EXCEEDED")
		},
		"retries within the policy": func(t *testing.T, w *world) {
			w.span(w.id(), "checkout", "inventory", firstBegun+2, 0.01, 3, "OK")
		},
		"a hedged call has two attempts for each": func(t *testing.T, w *world) {
			for i := range w.plan.Topology.Edges {
				if e := &w.plan.Topology.Edges[i]; e.Name() == "payment->bank" {
					e.Policy.Hedge = topology.Duration(50e6)
				}
			}
			w.span(w.id(), "payment", "bank", firstBegun+2, 0.01, 4, "OK")
		},
		"attempts over no edge of the topology": func(t *testing.T, w *world) {
			w.span(w.id(), "payment", "weather", firstBegun+2, 30, 9, "OK")
		},
		"attempts while no fault was on": func(t *testing.T, w *world) {
			w.span(w.id(), "payment", "bank", 2, 0.01, 5, "UNAVAILABLE")
		},
		"an edge that nobody used, as behind an open breaker": func(t *testing.T, w *world) {
			w.limit(bankCut, chaos.Limit{Metric: "amplification", Phase: "fault", Edge: "orders->shipping", Min: 1, Max: 1.5})
		},
		"a generator that stalled where nothing was measured": func(t *testing.T, w *world) {
			w.each(1, 2.9, func(r *loadgen.Request) { r.Sent, r.Done = r.Sent+seconds(0.5), r.Done+seconds(0.5) })
		},
		"a generator that was late by less than matters": func(t *testing.T, w *world) {
			w.limit(bankCut, chaos.Limit{Metric: "goodput", Phase: "fault", Min: 0.9, Max: 1})
			w.each(firstBegun, firstBegun+7, func(r *loadgen.Request) { r.Sent, r.Done = r.Sent+seconds(0.03), r.Done+seconds(0.03) })
		},
		"a single late request": func(t *testing.T, w *world) {
			w.each(secondBegun+3, secondBegun+3.02, func(r *loadgen.Request) { r.Sent, r.Done = r.Sent+seconds(0.2), r.Done+seconds(0.2) })
		},
		"failures within the limits": func(t *testing.T, w *world) {
			w.each(firstBegun+2, firstBegun+2.3, failed)
		},
		"one failed request in a recovery": func(t *testing.T, w *world) {
			w.each(firstBegun+8, firstBegun+8.02, failed)
		},
		"a duplicate that was handled: one key, asked twice": func(t *testing.T, w *world) {
			r := w.inBank(t)
			w.span(r.TraceID, "gateway", "checkout", r.Due.Seconds(), 0.1, 2, "OK")
		},
		"an add of which nobody knows whether it is there": func(t *testing.T, w *world) {
			r := w.inBank(t)
			for i := range w.requests {
				if w.requests[i].Class == loadgen.ClassCartAdd && w.requests[i].Cart == r.Cart {
					w.requests[i].Outcome, w.requests[i].Reason = loadgen.Unknown, "timeout"
				}
			}
			w.drop("cart.audit_adds", "cart", r.Cart)
		},
		"a cart that refused an add": func(t *testing.T, w *world) {
			r := w.request(loadgen.ClassCartAdd, firstBegun+3, 0.01)
			r.Key, r.Cart, r.SKU, r.Qty, r.Status, r.Outcome, r.Reason = "k-x", "c-x", sku(4), 1, 404, loadgen.Failed, "not_found"
		},
		"a sold-out product": func(t *testing.T, w *world) {
			s := w.find(t, "inventory.audit_stock", "sku", sku(0))
			s["initial"], s["on_hand"] = s["sold"], "0"
		},
		"an expired reservation": func(t *testing.T, w *world) {
			w.put("inventory.audit_reservations", row{"order_id": "o-x", "sku": sku(4), "quantity": "1", "state": "expired", "created_at": stampOf(30), "expires_at": stampOf(31), "updated_at": stampOf(31)})
		},
		"requests in another order":  func(t *testing.T, w *world) { slices.Reverse(w.requests) },
		"an instance that restarted": func(t *testing.T, w *world) { w.restarts() },
	} {
		t.Run(name, func(t *testing.T) {
			w := golden()
			spoil(t, w)
			if res := judge(w); res.Verdict != chaos.Pass || res.Exit != 0 {
				t.Errorf("got %s: %q%s", res.Verdict, res.Reasons, list(res))
			}
		})
	}
}
