package check_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
)

// ran is a run of a system that ran before, with what it held then: of every
// view what it has at the end, but for what the run's customers did.
func ran() *world {
	w := golden()
	w.plan.Engine, w.plan.System = "attached", "system.yaml"
	w.before = map[string][]row{}
	for name := range w.final {
		w.before[name] = nil
	}
	return w
}

// old puts a row into the stores that was there before the run.
func (w *world) old(view string, r row) {
	w.before[view] = append(w.before[view], maps.Clone(r))
	w.final[view] = append(w.final[view], r)
}

// cancelled puts an order into the stores, made during the run.
func (w *world) cancelled(id, key string) {
	w.put("orders.audit_orders", row{"order_id": id, "key": key, "state": "CANCELLED", "total": "0", "created_at": stampOf(20)})
	w.put("orders.audit_transitions", row{"order_id": id, "seq": "1", "from_state": "PENDING", "to_state": "CANCELLED", "at": stampOf(20)})
}

func line(t *testing.T, res chaos.Result, name string) chaos.AuditLine {
	t.Helper()
	i := slices.IndexFunc(res.Audit, func(l chaos.AuditLine) bool { return l.Name == name })
	if i < 0 {
		t.Fatalf("there is no line %s", name)
	}
	return res.Audit[i]
}

// TestWhatTheRunFoundIsNotItsDoing gives the system customers and mistakes of
// its own.
func TestWhatTheRunFoundIsNotItsDoing(t *testing.T) {
	w := ran()
	w.old("orders.audit_orders", row{"order_id": "o-old", "key": "k-earlier-1-0", "state": "CANCELLED", "total": "0", "created_at": stampOf(-60)})
	w.old("orders.audit_outbox", row{"event": "e-old", "order_id": "o-old", "type": "order.cancelled", "created_at": stampOf(-60), "published_at": ""})
	res := judge(w)
	if res.Verdict != chaos.Pass {
		t.Errorf("got %s: %s", res.Verdict, list(res))
	}
	if l := line(t, res, "outbox-empty"); l.Verdict != chaos.Pass || l.Violations != 0 || l.Text != "besides 1 that were so before the run" {
		t.Errorf("got %+v", l)
	}
}

// TestOthersMayShopMeanwhile has an order come from somebody else's customer.
func TestOthersMayShopMeanwhile(t *testing.T) {
	w := ran()
	w.cancelled("o-other", "theirs")
	if res := judge(w); res.Verdict != chaos.Pass {
		t.Errorf("got %s: %s", res.Verdict, list(res))
	}
}

// TestWhatTheRunDidIsItsDoing finds harm in a system that ran before.
func TestWhatTheRunDidIsItsDoing(t *testing.T) {
	for name, spoil := range map[string]func(w *world){
		"an order that nobody asked for": func(w *world) {
			w.cancelled("o-phantom", "k-r-999-9")
		},
		"an event that stays": func(w *world) {
			w.final["orders.audit_outbox"] = append(w.final["orders.audit_outbox"],
				row{"event": "e-new", "order_id": "o-new", "type": "order.cancelled", "created_at": stampOf(20), "published_at": ""})
		},
		"what was wrong is worse": func(w *world) {
			for _, sold := range []string{"12", "13"} {
				r := maps.Clone(w.final["inventory.audit_stock"][0])
				r["sku"], r["initial"], r["on_hand"], r["reserved"], r["sold"] = "sku-old", "10", "0", "0", sold
				if sold == "12" {
					w.before["inventory.audit_stock"] = append(w.before["inventory.audit_stock"], r)
				} else {
					w.final["inventory.audit_stock"] = append(w.final["inventory.audit_stock"], r)
				}
			}
		},
	} {
		w := ran()
		spoil(w)
		if res := judge(w); res.Verdict != chaos.Fail {
			t.Errorf("%s: got %s: %s", name, res.Verdict, list(res))
		}
	}
}

// TestWithoutTheAuditBefore accuses nobody of what may have been so.
func TestWithoutTheAuditBefore(t *testing.T) {
	w := ran()
	w.before = nil
	w.final["orders.audit_outbox"] = append(w.final["orders.audit_outbox"],
		row{"event": "e-new", "order_id": "o-new", "type": "order.cancelled", "created_at": stampOf(20), "published_at": ""})
	res := judge(w)
	if l := line(t, res, "outbox-empty"); res.Verdict != chaos.Inconclusive || !strings.Contains(l.Text, "ran before") {
		t.Errorf("got %s, %+v", res.Verdict, l)
	}
}
