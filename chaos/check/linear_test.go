package check_test

import (
	"slices"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// look is a customer who reads an order.
func (w *world) look(of *loadgen.Request, s, took float64, state string) {
	id, total := of.Order, of.Total
	r := w.request(loadgen.ClassOrder, s, took)
	r.Order, r.State, r.Total = id, state, total
}

// capture asks for an order's money, or gives it back.
func (w *world) capture(what string, s, took float64, code string) {
	at := collector.Span{Trace: w.id(), Service: "checkout", Instance: "checkout-1"}
	w.call(at, "payment", "Payment/"+what, s, took, 1, code, "call.key", "pay-1", "call.order", "o-1")
}

// drive is a replica that drives a saga.
func (w *world) drive(order, epoch string, s float64) {
	w.under(collector.Span{Trace: w.id()}, "checkout", collector.Internal, s, 0.5, "")
	w.spans[len(w.spans)-1].Attrs = map[string]string{"saga.epoch": epoch, "shop.order": order}
}

// hold is a reservation of a scarce product.
func (w *world) hold(order, quantity, state string, made, touched float64) {
	w.put("inventory.audit_reservations", row{"order_id": order, "sku": sku(4), "quantity": quantity, "state": state,
		"created_at": stampOf(made), "expires_at": stampOf(made + 20), "updated_at": stampOf(touched)})
	at := collector.Span{Trace: w.id(), Service: "checkout", Instance: "checkout-1"}
	w.call(at, "inventory", "Inventory/Reserve", made, 0.01, 1, "OK", "call.order", order)
	w.call(at, "inventory", "Inventory/Release", touched, 0.01, 1, "OK", "call.order", order)
}

// badHistories have no order that explains them.
var badHistories = []bad{
	{"an order that goes back", func(t *testing.T, w *world) {
		r := *w.inBank(t)
		w.look(&r, r.Done.Seconds()+0.1, 0.01, "SHIPPED")
		w.look(&r, r.Done.Seconds()+0.2, 0.01, "PENDING")
	}, "order-history", "orders", bankCut, chaos.Fail},
	{"an order that was seen cancelled and then paid", func(t *testing.T, w *world) {
		r := *w.inBank(t)
		w.each(r.Due.Seconds(), r.Due.Seconds()+0.001, func(q *loadgen.Request) {
			if q.Order == r.Order {
				q.State = "PENDING"
			}
		})
		w.look(&r, r.Done.Seconds()+0.1, 0.01, "CANCELLED")
	}, "order-history", "orders", bankCut, chaos.Fail},
	{"more taken for a moment than there was", func(t *testing.T, w *world) {
		w.hold("o-a", "1000", "released", 30, 36)
		w.hold("o-b", "5", "released", 33, 33.1)
	}, "stock-history", "inventory", "", chaos.Fail},
	{"captured, and then refused", func(t *testing.T, w *world) {
		w.capture("Capture", 20, 0.1, "OK")
		w.capture("Capture", 21, 0.1, "FAILED_PRECONDITION")
	}, "charge-history", "payment", "", chaos.Fail},
	{"refunded, and then captured", func(t *testing.T, w *world) {
		w.capture("Capture", 20, 0.1, "DEADLINE_EXCEEDED")
		w.capture("Refund", 21, 0.1, "OK")
		w.capture("Capture", 22, 0.1, "OK")
	}, "charge-history", "payment", "", chaos.Fail},
	{"two owners of one epoch", func(t *testing.T, w *world) {
		id := w.inBank(t).Order
		w.find(t, "checkout.audit_sagas", "order_id", id)["epoch"] = "2"
		w.drive(id, "2", 20)
		w.drive(id, "2", 23)
	}, "lease-history", "checkout", bankCut, chaos.Fail},
	{"an owner in an epoch that was over", func(t *testing.T, w *world) {
		id := w.inBank(t).Order
		w.find(t, "checkout.audit_sagas", "order_id", id)["epoch"] = "3"
		w.drive(id, "3", 20)
		w.drive(id, "2", 23)
	}, "lease-history", "checkout", bankCut, chaos.Fail},
}

// Histories that can be explained, if one thinks of all that may have been.
func TestHistoryDecoys(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, w *world){
		"an order that goes its way": func(t *testing.T, w *world) {
			r := *w.inBank(t)
			w.look(&r, r.Done.Seconds()+0.1, 0.01, "PAID")
			w.look(&r, r.Done.Seconds()+0.2, 0.01, "SHIPPED")
		},
		"two looks at once, of which either may have been first": func(t *testing.T, w *world) {
			r := *w.inBank(t)
			w.look(&r, r.Done.Seconds()+0.1, 0.2, "SHIPPED")
			w.look(&r, r.Done.Seconds()+0.15, 0.2, "PAID")
		},
		"an unknown end that took effect later": func(t *testing.T, w *world) {
			w.capture("Capture", 20, 0.1, "UNAVAILABLE")
			w.capture("Capture", 21, 0.1, "UNAVAILABLE")
			w.capture("Capture", 22, 0.1, "OK")
			w.capture("Refund", 23, 0.1, "UNAVAILABLE")
			w.capture("Refund", 24, 0.1, "OK")
			w.capture("Capture", 25, 0.1, "FAILED_PRECONDITION")
		},
		"a declined card, and the undoing of nothing": func(t *testing.T, w *world) {
			w.capture("Capture", 20, 0.1, "FAILED_PRECONDITION")
			w.capture("Refund", 21, 0.1, "OK")
		},
		"a saga that changes hands, one of them without a trace": func(t *testing.T, w *world) {
			id := w.inBank(t).Order
			w.find(t, "checkout.audit_sagas", "order_id", id)["epoch"] = "4"
			w.drive(id, "1", 16)
			w.drive(id, "3", 20)
		},
		"as much taken as there is, and again when it is free": func(t *testing.T, w *world) {
			w.hold("o-a", "1000", "released", 30, 32)
			w.hold("o-b", "1000", "released", 34, 36)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := golden()
			spoil(t, w)
			if res := judge(w); res.Verdict != chaos.Pass {
				t.Errorf("got %s: %q%s", res.Verdict, res.Reasons, list(res))
			}
		})
	}
}

// TestTooMuchIsUnknown leaves so many ends open that nothing can be told.
func TestTooMuchIsUnknown(t *testing.T) {
	w := golden()
	for i := range 30 {
		w.capture("Capture", 20+float64(i)/10, 0.05, "UNAVAILABLE")
	}
	res := judge(w)
	i := slices.IndexFunc(res.Audit, func(l chaos.AuditLine) bool { return l.Name == "charge-history" })
	if l := res.Audit[i]; l.Verdict != chaos.Inconclusive || l.Text == "" || res.Verdict != chaos.Inconclusive {
		t.Errorf("got %s (%s), the run %s", l.Verdict, l.Text, res.Verdict)
	}
}
