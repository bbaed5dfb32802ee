package check_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
)

// roll gives an experiment an audit of its own: what the final one holds, of
// the orders made before it.
func (w *world) roll(experiment string, until float64) map[string][]row {
	if w.early == nil {
		w.early = map[string]map[string][]row{}
	}
	of := map[string][]row{}
	for name, rows := range w.final {
		for _, r := range rows {
			if at := r["created_at"]; at == "" || at <= stampOf(until) {
				of[name] = append(of[name], maps.Clone(r))
			}
		}
	}
	w.early[experiment] = of
	return of
}

// again doubles the charge of an order.
func again(of map[string][]row, order string) {
	for _, r := range slices.Clone(of["bank.audit_ledger"]) {
		if r["transaction"] == "charge"+order {
			r = maps.Clone(r)
			r["transaction"] = "again"
			of["bank.audit_ledger"] = append(of["bank.audit_ledger"], r)
		}
	}
}

// findings returns those of a check, by experiment.
func findings(res chaos.Result, check string) map[string][]chaos.Finding {
	out := map[string][]chaos.Finding{}
	for _, e := range res.Experiments {
		for _, f := range e.Findings {
			if f.Check == check {
				out[e.Name] = append(out[e.Name], f)
			}
		}
	}
	for _, f := range res.Findings {
		if f.Check == check {
			out[""] = append(out[""], f)
		}
	}
	return out
}

func TestRollingAuditsOfAGoodRun(t *testing.T) {
	w := golden()
	w.roll(bankCut, firstBegun+auditedAfter)
	w.roll(recommendDown, secondBegun+auditedAfter)
	if res := judge(w); res.Verdict != chaos.Pass {
		t.Errorf("got %s:%s", res.Verdict, list(res))
	}
}

func TestHealedHarmIsStillSeen(t *testing.T) {
	w := golden()
	again(w.roll(bankCut, firstBegun+auditedAfter), w.inBank(t).Order)
	w.roll(recommendDown, secondBegun+auditedAfter)
	res := judge(w)
	got := findings(res, "captured-once")
	if len(got) != 1 || len(got[bankCut]) != 1 || got[bankCut][0].Count != 1 || !strings.Contains(got[bankCut][0].Text, "seen by audit") {
		t.Errorf("got %v:%s", got, list(res))
	}
	if of(t, res, bankCut).Verdict != chaos.Fail || of(t, res, recommendDown).Verdict != chaos.Pass || res.Exit != 1 {
		t.Errorf("got exit %d:%s", res.Exit, list(res))
	}
	i := slices.IndexFunc(res.Audit, func(l chaos.AuditLine) bool { return l.Name == "captured-once" })
	if res.Audit[i].Violations != 1 || res.Audit[i].Verdict != chaos.Fail {
		t.Errorf("the audit's line says %+v", res.Audit[i])
	}
}

func TestHarmIsReportedOnceAndWhereItWasSeenFirst(t *testing.T) {
	w := golden()
	// Asked for under the first fault, done under the second: by a resumer.
	id := w.inBank(t).Order
	w.roll(bankCut, firstBegun+auditedAfter)
	again(w.roll(recommendDown, secondBegun+auditedAfter), id)
	again(w.final, id)
	res := judge(w)
	got := findings(res, "captured-once")
	if len(got) != 1 || len(got[recommendDown]) != 1 || got[recommendDown][0].Count != 1 {
		t.Errorf("want one finding in %s, got %v:%s", recommendDown, got, list(res))
	}
}

func TestRollingAuditsThatShowLess(t *testing.T) {
	for name, spoil := range map[string]func(of map[string][]row){
		"a transaction cut in two by the beginning of the rows": func(of map[string][]row) {
			of["bank.audit_ledger"] = of["bank.audit_ledger"][1:]
		},
		"orders that are not paid yet": func(of map[string][]row) {
			of["orders.audit_orders"][3]["state"] = "PENDING"
			of["shipping.audit_shipments"] = nil
			of["payment.audit_ledger"] = nil
		},
		"sagas and reservations under way": func(of map[string][]row) {
			of["checkout.audit_sagas"][2]["state"] = "running"
			of["inventory.audit_reservations"][2]["state"] = "held"
		},
		"a view is missing": func(of map[string][]row) { delete(of, "bank.audit_ledger") },
	} {
		t.Run(name, func(t *testing.T) {
			w := golden()
			spoil(w.roll(bankCut, firstBegun+auditedAfter))
			if res := judge(w); res.Verdict != chaos.Pass {
				t.Errorf("got %s:%s", res.Verdict, list(res))
			}
		})
	}
}

func TestRollingViolations(t *testing.T) {
	for check, spoil := range map[string]func(of map[string][]row){
		"no-oversell":      func(of map[string][]row) { of["inventory.audit_stock"][1]["on_hand"] = "-1" },
		"no-phantom-order": func(of map[string][]row) { of["orders.audit_orders"][1]["key"] = of["orders.audit_orders"][0]["key"] },
		"ledgers-balance":  func(of map[string][]row) { of["bank.audit_ledger"][40]["amount"] = "1" },
		"shipped-once": func(of map[string][]row) {
			s := maps.Clone(of["shipping.audit_shipments"][3])
			s["shipment"] = "s-2"
			of["shipping.audit_shipments"] = append(of["shipping.audit_shipments"], s)
		},
		"refunded-once": func(of map[string][]row) {
			for _, r := range slices.Clone(of["bank.audit_ledger"]) {
				if r["kind"] == "refund" {
					of["bank.audit_ledger"] = append(of["bank.audit_ledger"], r)
				}
			}
		},
	} {
		t.Run(check, func(t *testing.T) {
			w := golden()
			spoil(w.roll(bankCut, firstBegun+auditedAfter))
			res := judge(w)
			if got := findings(res, check); len(got[bankCut]) == 0 || res.Exit != 1 {
				t.Errorf("want a finding in %s, got %v:%s", bankCut, got, list(res))
			}
		})
	}
}

func TestUnreadableRollingAudit(t *testing.T) {
	w := golden()
	w.roll(bankCut, firstBegun+auditedAfter)["bank.audit_ledger"][0]["amount"] = "?"
	if res := judge(w); res.Verdict != chaos.Inconclusive {
		t.Errorf("got %s", res.Verdict)
	}
}
