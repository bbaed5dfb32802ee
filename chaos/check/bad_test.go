package check_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/check"
	"github.com/bedlamlab/bedlam/loadgen"
)

// A bad is a golden run with one thing wrong, and what must come of it.
type bad struct {
	name       string
	spoil      func(t *testing.T, w *world)
	check      string
	site       string // empty: any
	experiment string // empty: none
	verdict    chaos.Verdict
}

// exit is the run's, as the one finding has it.
func (b bad) exit() int {
	switch {
	case b.check == "lift":
		return 4
	case b.verdict == chaos.Fail:
		return 1
	}
	return 3
}

var bads = slices.Concat(badData, badAnswers, badCalls, badHistories, badLevels, badMeasures, badRecords, badWatches)

// badData are those that the stores show.
var badData = []bad{
	{"more sold than there was", func(t *testing.T, w *world) {
		s := w.find(t, "inventory.audit_stock", "sku", sku(0))
		s["initial"], s["on_hand"] = "10", "0"
	}, "no-oversell", "inventory", recommendDown, chaos.Fail},
	{"stock below zero", func(t *testing.T, w *world) {
		w.find(t, "inventory.audit_stock", "sku", sku(4))["on_hand"] = "-1"
	}, "no-oversell", "inventory", "", chaos.Fail},
	{"more reserved than there is", func(t *testing.T, w *world) {
		w.find(t, "inventory.audit_stock", "sku", sku(4))["reserved"] = "1001"
	}, "no-oversell", "inventory", "", chaos.Fail},
	{"reserved for nobody", func(t *testing.T, w *world) {
		w.find(t, "inventory.audit_stock", "sku", sku(4))["reserved"] = "3"
	}, "no-oversell", "inventory", "", chaos.Fail},
	{"stock that vanished", func(t *testing.T, w *world) {
		w.find(t, "inventory.audit_stock", "sku", sku(4))["on_hand"] = "990"
	}, "no-oversell", "inventory", "", chaos.Fail},
	{"sold to nobody", func(t *testing.T, w *world) {
		s := w.find(t, "inventory.audit_stock", "sku", sku(4))
		s["on_hand"], s["sold"] = "998", "2"
	}, "no-oversell", "inventory", "", chaos.Fail},
	{"an acknowledged order is gone", func(t *testing.T, w *world) {
		w.drop("orders.audit_orders", "order_id", w.inBank(t).Order)
	}, "no-lost-order", "orders", bankCut, chaos.Fail},
	{"a paid order was cancelled", func(t *testing.T, w *world) {
		w.find(t, "orders.audit_orders", "order_id", w.inRecommend(t).Order)["state"] = "CANCELLED"
	}, "no-lost-order", "checkout", recommendDown, chaos.Fail},
	{"another price than was told", func(t *testing.T, w *world) {
		w.inBank(t).Total = 2400
	}, "no-lost-order", "checkout", bankCut, chaos.Fail},
	{"an order that nobody asked for", func(t *testing.T, w *world) {
		w.order(secondBegun+1, "o-ghost", "k-nobody", "c-r-0", false, false)
	}, "no-phantom-order", "checkout", recommendDown, chaos.Fail},
	{"a key that bought twice", func(t *testing.T, w *world) {
		r := w.inBank(t)
		w.order(r.Due.Seconds(), "o-again", r.Key, r.Cart, false, false)
	}, "no-phantom-order", "checkout", bankCut, chaos.Fail},
	{"sold out, and paid all the same", func(t *testing.T, w *world) {
		r := w.inBank(t)
		r.State, r.Reason, r.Status = "", "sold_out", 409
	}, "refusal-is-final", "checkout", bankCut, chaos.Fail},
	{"shed, and paid all the same", func(t *testing.T, w *world) {
		r := w.inBank(t)
		r.State, r.Outcome, r.Reason, r.Status, r.Order = "", loadgen.Failed, "shed", 503, ""
	}, "refusal-is-final", "gateway", bankCut, chaos.Fail},
	{"charged twice", func(t *testing.T, w *world) {
		r := w.find(t, "bank.audit_ledger", "transaction", "charge"+w.inBank(t).Order)
		for _, account := range [][2]string{{"merchant", "2500"}, {"card:1", "-2500"}} {
			w.put("bank.audit_ledger", row{"entry": "9", "transaction": "again", "key": "k2", "reference": r["reference"],
				"account": account[0], "amount": account[1], "kind": "charge", "created_at": r["created_at"]})
		}
	}, "captured-once", "payment", bankCut, chaos.Fail},
	{"charged too little", func(t *testing.T, w *world) {
		for _, r := range w.final["bank.audit_ledger"] {
			if r["transaction"] == "charge"+w.inBank(t).Order {
				r["amount"] = map[string]string{"2500": "2400", "-2500": "-2400"}[r["amount"]]
			}
		}
	}, "captured-once", "payment", bankCut, chaos.Fail},
	{"a transaction of the bank that does not balance", func(t *testing.T, w *world) {
		id := w.inBank(t).Order
		for _, r := range w.final["bank.audit_ledger"] {
			if r["transaction"] == "charge"+id && r["account"] != "merchant" {
				r["amount"] = "-2499"
			}
		}
	}, "ledgers-balance", "bank", bankCut, chaos.Fail},
	{"half a transaction of payment", func(t *testing.T, w *world) {
		id := w.inRecommend(t).Order
		w.final["payment.audit_ledger"] = slices.DeleteFunc(w.final["payment.audit_ledger"], func(r row) bool {
			return r["order_id"] == id && r["account"] == "sales:orders"
		})
	}, "ledgers-balance", "payment", recommendDown, chaos.Fail},
	{"payment booked nothing", func(t *testing.T, w *world) {
		w.drop("payment.audit_ledger", "order_id", w.inBank(t).Order)
	}, "ledgers-agree", "payment", bankCut, chaos.Fail},
	{"payment booked what never was", func(t *testing.T, w *world) {
		w.drop("bank.audit_ledger", "reference", w.inBank(t).Order)
	}, "ledgers-agree", "payment", bankCut, chaos.Fail},
	{"paid, and the bank has nothing", func(t *testing.T, w *world) {
		w.drop("bank.audit_ledger", "reference", w.inBank(t).Order)
	}, "paid-is-captured", "checkout", bankCut, chaos.Fail},
	{"money kept for a cancelled order", func(t *testing.T, w *world) {
		w.find(t, "orders.audit_orders", "order_id", w.inBank(t).Order)["state"] = "CANCELLED"
	}, "paid-is-captured", "checkout", bankCut, chaos.Fail},
	{"money for an order that is not there", func(t *testing.T, w *world) {
		w.drop("orders.audit_orders", "order_id", w.inBank(t).Order)
	}, "paid-is-captured", "checkout", bankCut, chaos.Fail},
	{"refunded twice", func(t *testing.T, w *world) {
		r := w.find(t, "bank.audit_ledger", "kind", "refund")
		for _, account := range [][2]string{{"merchant", "-2500"}, {"card:1", "2500"}} {
			w.put("bank.audit_ledger", row{"entry": "9", "transaction": "again", "key": "k2", "reference": r["reference"],
				"account": account[0], "amount": account[1], "kind": "refund", "created_at": r["created_at"]})
		}
	}, "refunded-once", "payment", "", chaos.Fail},
	{"completed and refunded", func(t *testing.T, w *world) {
		id := w.inRecommend(t).Order
		for _, account := range [][2]string{{"merchant", "-2500"}, {"card:1", "2500"}} {
			w.put("bank.audit_ledger", row{"entry": "9", "transaction": "back", "key": "k2", "reference": id,
				"account": account[0], "amount": account[1], "kind": "refund", "created_at": stampOf(30)})
		}
	}, "refunded-once", "payment", recommendDown, chaos.Fail},
	{"undone and not refunded", func(t *testing.T, w *world) {
		w.find(t, "checkout.audit_sagas", "order_id", w.inBank(t).Order)["state"] = "compensated"
	}, "refunded-once", "payment", bankCut, chaos.Fail},
	{"paid, and nothing taken from stock", func(t *testing.T, w *world) {
		w.find(t, "inventory.audit_reservations", "order_id", w.inBank(t).Order)["state"] = "released"
	}, "stock-follows-orders", "checkout", bankCut, chaos.Fail},
	{"taken from stock for a cancelled order", func(t *testing.T, w *world) {
		w.find(t, "inventory.audit_reservations", "state", "released")["state"] = "committed"
	}, "stock-follows-orders", "checkout", "", chaos.Fail},
	{"a total that is not the sum", func(t *testing.T, w *world) {
		w.find(t, "orders.audit_orders", "order_id", w.inBank(t).Order)["total"] = "2600"
	}, "order-total", "orders", bankCut, chaos.Fail},
	{"a price that is not the catalogue's", func(t *testing.T, w *world) {
		w.find(t, "catalog.audit_products", "sku", sku(0))["price"] = "1300"
	}, "order-total", "checkout", bankCut, chaos.Fail},
	{"a line that was doubled by a retry", func(t *testing.T, w *world) {
		id := w.inBank(t).Order
		w.find(t, "orders.audit_lines", "order_id", id)["quantity"] = "4"
	}, "order-holds-cart", "checkout", bankCut, chaos.Fail},
	{"an order that came back to life", func(t *testing.T, w *world) {
		id := w.inBank(t).Order
		for _, r := range w.final["orders.audit_transitions"] {
			if r["order_id"] == id && r["seq"] == "1" {
				r["to_state"] = "CANCELLED"
			}
		}
	}, "legal-transitions", "orders", bankCut, chaos.Fail},
	{"a state that nothing led to", func(t *testing.T, w *world) {
		w.drop("orders.audit_transitions", "order_id", w.inBank(t).Order)
	}, "legal-transitions", "orders", bankCut, chaos.Fail},
	{"a cart that lost an add", func(t *testing.T, w *world) {
		w.drop("cart.audit_adds", "cart", w.inBank(t).Cart)
	}, "cart-keeps-adds", "cart", bankCut, chaos.Fail},
	{"a cart that took an add twice", func(t *testing.T, w *world) {
		w.put("cart.audit_adds", w.find(t, "cart.audit_adds", "cart", w.inRecommend(t).Cart))
	}, "cart-keeps-adds", "cart", recommendDown, chaos.Fail},
	{"a cart with another quantity", func(t *testing.T, w *world) {
		w.find(t, "cart.audit_adds", "cart", w.inBank(t).Cart)["quantity"] = "1"
	}, "cart-keeps-adds", "cart", bankCut, chaos.Fail},
	{"a cart emptied for nothing", func(t *testing.T, w *world) {
		w.put("cart.audit_clears", row{"cart": "c-r-1", "order_id": "o-none", "created_at": stampOf(secondBegun + 1)})
	}, "cart-keeps-adds", "checkout", recommendDown, chaos.Fail},
	{"a saga that never ends", func(t *testing.T, w *world) {
		w.find(t, "checkout.audit_sagas", "order_id", w.inBank(t).Order)["state"] = "running"
	}, "nothing-stuck", "checkout", bankCut, chaos.Fail},
	{"a reservation that nobody ends", func(t *testing.T, w *world) {
		w.put("inventory.audit_reservations", row{"order_id": "o-x", "sku": sku(4), "quantity": "1", "state": "held", "created_at": stampOf(30), "expires_at": stampOf(31), "updated_at": stampOf(30)})
		w.find(t, "inventory.audit_stock", "sku", sku(4))["reserved"] = "1"
	}, "nothing-stuck", "inventory", recommendDown, chaos.Fail},
	{"a charge that is not settled", func(t *testing.T, w *world) {
		w.find(t, "payment.audit_charges", "order_id", w.inBank(t).Order)["state"] = "pending"
	}, "nothing-stuck", "payment", bankCut, chaos.Fail},
	{"a bank call that is open", func(t *testing.T, w *world) {
		w.find(t, "bank.audit_calls", "reference", w.inBank(t).Order)["state"] = "open"
	}, "nothing-stuck", "bank", bankCut, chaos.Fail},
	{"a system that does not come to rest", func(t *testing.T, w *world) {
		w.entry(t, "", chaos.Quiescent).Kind = chaos.NotQuiescent
	}, "nothing-stuck", "shop", "", chaos.Fail},
	{"an event that was not sent off", func(t *testing.T, w *world) {
		w.find(t, "orders.audit_outbox", "order_id", w.inBank(t).Order)["published_at"] = ""
	}, "outbox-empty", "orders", bankCut, chaos.Fail},
	{"an event that was acknowledged and never came", func(t *testing.T, w *world) {
		w.drop("shipping.audit_inbox", "order_id", w.inBank(t).Order)
	}, "events-arrive", "orders->shipping", bankCut, chaos.Fail},
	{"an event that was taken in twice", func(t *testing.T, w *world) {
		w.put("shipping.audit_inbox", w.find(t, "shipping.audit_inbox", "order_id", w.inBank(t).Order))
	}, "events-arrive", "shipping", bankCut, chaos.Fail},
	{"paid, and no event", func(t *testing.T, w *world) {
		w.drop("orders.audit_outbox", "order_id", w.inBank(t).Order)
	}, "events-arrive", "orders", bankCut, chaos.Fail},
	{"paid and not shipped", func(t *testing.T, w *world) {
		w.drop("shipping.audit_shipments", "order_id", w.inBank(t).Order)
	}, "shipped-once", "orders", bankCut, chaos.Fail},
	{"shipped twice", func(t *testing.T, w *world) {
		w.put("shipping.audit_shipments", row{"shipment": "s-2", "order_id": w.inBank(t).Order, "state": "requested", "created_at": stampOf(15)})
	}, "shipped-once", "shipping", bankCut, chaos.Fail},
	{"shipped and not paid", func(t *testing.T, w *world) {
		id := w.find(t, "orders.audit_orders", "state", "CANCELLED")["order_id"]
		w.put("shipping.audit_shipments", row{"shipment": "s-2", "order_id": id, "state": "requested", "created_at": stampOf(15)})
	}, "shipped-once", "shipping", "", chaos.Fail},
	{"shipped, and no order", func(t *testing.T, w *world) {
		w.put("shipping.audit_shipments", row{"shipment": "s-2", "order_id": "o-none", "state": "requested", "created_at": stampOf(15)})
	}, "shipped-once", "shipping", "", chaos.Fail},
}

func TestBad(t *testing.T) {
	for _, b := range bads {
		t.Run(b.check+"/"+b.name, func(t *testing.T) {
			t.Parallel()
			w := golden()
			b.spoil(t, w)
			res := judge(w)
			fs := res.Findings
			if b.experiment != "" {
				e := of(t, res, b.experiment)
				if fs = e.Findings; chaos.Worst(e.Verdict, b.verdict) != e.Verdict {
					t.Errorf("the experiment is %s", e.Verdict)
				}
			} else if b.verdict == chaos.Fail {
				for _, e := range res.Experiments { // the row's time may give it to one
					fs = append(fs, e.Findings...)
				}
			}
			if !slices.ContainsFunc(fs, func(f chaos.Finding) bool {
				return f.Check == b.check && f.Verdict == b.verdict && (b.site == "" || f.Site == b.site) && f.Text != "" && f.Repeat != "" && (b.experiment == "" || f.Fault != "")
			}) {
				t.Errorf("want %s %s at %s in %q, got:%s", b.verdict, b.check, b.site, b.experiment, list(res))
			}
			if res.Verdict != b.verdict || res.Exit != b.exit() {
				t.Errorf("the run is %s, exit %d", res.Verdict, res.Exit)
			}
			if len(res.Reasons) == 0 {
				t.Error("there is no reason")
			}
		})
	}
}

// list says everything that a result found.
func list(res chaos.Result) string {
	text := ""
	for _, e := range res.Experiments {
		for _, f := range e.Findings {
			text += fmt.Sprintf("\n  %s: %s %s at %s: %s", e.Name, f.Verdict, f.Check, f.Site, f.Text)
		}
	}
	for _, f := range res.Findings {
		text += fmt.Sprintf("\n  %s %s at %s: %s", f.Verdict, f.Check, f.Site, f.Text)
	}
	return text
}

// A check without a case in which it fires may be one that never does.
func TestEveryCheckFires(t *testing.T) {
	for _, c := range check.Checks() {
		if !slices.ContainsFunc(bads, func(b bad) bool { return b.check == c.Name }) {
			t.Errorf("no bad run shows that %s can fire", c.Name)
		}
		if c.Doc == "" {
			t.Errorf("%s does not say what it holds to be right", c.Name)
		}
	}
	for _, b := range bads {
		if !slices.ContainsFunc(check.Checks(), func(c check.Check) bool { return c.Name == b.check }) {
			t.Errorf("%s is not in the catalogue", b.check)
		}
	}
}
