package check_test

import (
	"fmt"
	"slices"

	"github.com/bedlamlab/bedlam/chaos"
)

// put adds a row to a view of the final audit.
func (w *world) put(view string, r row) { w.final[view] = append(w.final[view], r) }

// order writes everything that the stores hold of one order.
func (w *world) order(s float64, id, key, cart string, paid, charged bool) {
	at := stampOf(s + 0.15)
	state, saga, reservation, charge, call := "CANCELLED", "compensated", "released", "void", "void"
	w.put("orders.audit_lines", row{"order_id": id, "sku": sku(0), "quantity": "2", "price": "1250"})
	ledger := func(kind, account, own string, amount int) {
		w.put("bank.audit_ledger", row{"entry": fmt.Sprint(w.n), "transaction": kind + id, "key": "pay-" + id, "reference": id, "account": account, "amount": fmt.Sprint(amount), "kind": kind, "created_at": at})
		if kind == "charge" {
			kind = "capture"
		}
		w.put("payment.audit_ledger", row{"entry": fmt.Sprint(w.n), "transaction": kind + id, "order_id": id, "account": own, "amount": fmt.Sprint(amount), "kind": kind, "created_at": at})
	}
	if charged {
		charge, call = "captured", "charged"
		ledger("charge", "card:1", "sales:orders", -2500)
		ledger("charge", "merchant", "receivable:bank", 2500)
		if !paid {
			charge, call = "refunded", "refunded"
			ledger("refund", "card:1", "sales:orders", 2500)
			ledger("refund", "merchant", "receivable:bank", -2500)
		}
	}
	step := func(seq, from, to string) {
		w.put("orders.audit_transitions", row{"order_id": id, "seq": seq, "from_state": from, "to_state": to, "at": at})
	}
	if paid {
		state, saga, reservation = "SHIPPED", "completed", "committed"
		step("1", "PENDING", "PAID")
		step("2", "PAID", "SHIPPED")
		w.put("orders.audit_outbox", row{"event": id + ".1", "order_id": id, "type": "order.paid", "created_at": at, "published_at": at})
		w.put("shipping.audit_inbox", row{"event": id + ".1", "order_id": id, "type": "order.paid", "received_at": at})
		w.put("shipping.audit_shipments", row{"shipment": "s-" + id, "order_id": id, "state": "requested", "created_at": at})
		w.put("cart.audit_clears", row{"cart": cart, "order_id": id, "created_at": at})
		stock := w.final["inventory.audit_stock"][0]
		var hand, sold int
		fmt.Sscan(stock["on_hand"], &hand)
		fmt.Sscan(stock["sold"], &sold)
		stock["on_hand"], stock["sold"] = fmt.Sprint(hand-2), fmt.Sprint(sold+2)
	} else {
		step("1", "PENDING", "CANCELLED")
	}
	w.put("orders.audit_orders", row{"order_id": id, "key": key, "customer": "u", "state": state, "reason": "", "total": "2500", "created_at": at, "updated_at": at})
	w.put("checkout.audit_sagas", row{"saga": "g-" + id, "key": key, "order_id": id, "customer": "u", "state": saga, "step": "clear", "epoch": "1", "total": "2500", "created_at": at, "updated_at": at})
	w.put("inventory.audit_reservations", row{"order_id": id, "sku": sku(0), "quantity": "2", "state": reservation, "created_at": at, "expires_at": at, "updated_at": at})
	w.put("payment.audit_charges", row{"key": "pay-" + id, "order_id": id, "amount": "2500", "state": charge, "bank_reference": "b-" + id, "created_at": at, "updated_at": at})
	w.put("bank.audit_calls", row{"key": "pay-" + id, "reference": id, "amount": "2500", "state": call, "created_at": at, "updated_at": at})
}

// view renders rows; the columns are those of the first.
func view(rows []row) chaos.View {
	v := chaos.View{}
	if len(rows) == 0 {
		return v
	}
	for c := range rows[0] {
		v.Columns = append(v.Columns, c)
	}
	slices.Sort(v.Columns)
	for _, r := range rows {
		values := make([]string, len(v.Columns))
		for i, c := range v.Columns {
			values[i] = r[c]
		}
		v.Rows = append(v.Rows, values)
	}
	return v
}

func views(of map[string][]row) map[string]chaos.View {
	all := map[string]chaos.View{}
	for name, rows := range of {
		all[name] = view(rows)
	}
	return all
}
