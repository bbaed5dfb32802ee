package check

import (
	"cmp"
	"fmt"
	"slices"
)

// sorted puts violations that were found in a map's order into one of their own.
func sorted(vs []violation) []violation {
	slices.SortFunc(vs, func(a, b violation) int { return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.text, b.text)) })
	return vs
}

var noLostOrder = invariant{
	Check: Check{"no-lost-order", "every order that a customer was told of exists, and one that was said to be paid is"},
	views: []string{"orders.audit_orders"},
	judge: func(b *books) (int, []violation) {
		var vs []violation
		for order, r := range b.acked {
			state := b.orders[order]["state"]
			switch {
			case state == "":
				vs = append(vs, violation{site: "orders", order: order, text: fmt.Sprintf("order %s was acknowledged as %s and does not exist", order, r.State)})
			case r.State == "PAID" && !terminalPaid(state):
				vs = append(vs, violation{site: "checkout", order: order, text: fmt.Sprintf("order %s was acknowledged as PAID and is %s", order, state)})
			}
		}
		return len(b.acked), sorted(vs)
	},
}

var noPhantomOrder = invariant{
	Check: Check{"no-phantom-order", "no order exists that nobody asked for, and none twice for one key"},
	views: []string{"orders.audit_orders"},
	judge: func(b *books) (int, []violation) {
		var vs []violation
		byKey := map[string]string{}
		n := b.rows("orders.audit_orders", func(row map[string]string) {
			order, key := row["order_id"], row["key"]
			if !b.keys[key] {
				vs = append(vs, violation{site: "checkout", order: order, at: row["created_at"],
					text: fmt.Sprintf("order %s has the key %q, which no customer used", order, key)})
			}
			if other, twice := byKey[key]; twice {
				vs = append(vs, violation{site: "checkout", order: order, text: fmt.Sprintf("orders %s and %s have the same key", other, order)})
			}
			byKey[key] = order
		})
		return n, vs
	},
}

var orderTotals = invariant{
	Check: Check{"order-total", "an order's total is the sum of its lines"},
	views: []string{"orders.audit_orders", "orders.audit_lines"},
	judge: func(b *books) (int, []violation) {
		sum := map[string]int64{}
		b.rows("orders.audit_lines", func(row map[string]string) {
			sum[row["order_id"]] += number(row, "quantity") * number(row, "price")
		})
		var vs []violation
		n := b.rows("orders.audit_orders", func(row map[string]string) {
			if order := row["order_id"]; sum[order] != number(row, "total") {
				vs = append(vs, violation{site: "orders", order: order,
					text: fmt.Sprintf("order %s has a total of %s and lines of %s", order, euros(number(row, "total")), euros(sum[order]))})
			}
		})
		return n, vs
	},
}

var outboxEmpty = invariant{
	Check: Check{"outbox-empty", "every event of an order has left the outbox"},
	views: []string{"orders.audit_outbox"},
	judge: func(b *books) (int, []violation) {
		var vs []violation
		n := b.rows("orders.audit_outbox", func(row map[string]string) {
			if row["published_at"] == "" {
				vs = append(vs, violation{site: "orders", order: row["order_id"], at: row["created_at"],
					text: fmt.Sprintf("event %s of order %s is still in the outbox", row["event"], row["order_id"])})
			}
		})
		return n, vs
	},
}

var shippedOnce = invariant{
	Check: Check{"shipped-once", "every paid order is shipped once, and no other is"},
	views: []string{"orders.audit_orders", "shipping.audit_shipments"},
	judge: func(b *books) (int, []violation) {
		shipments := map[string]int{}
		b.rows("shipping.audit_shipments", func(row map[string]string) { shipments[row["order_id"]]++ })
		var vs []violation
		paid := 0
		for order, row := range b.orders {
			n := shipments[order]
			delete(shipments, order)
			bad := func(site, format string, args ...any) {
				vs = append(vs, violation{site: site, order: order, text: fmt.Sprintf(format, args...)})
			}
			switch isPaid := terminalPaid(row["state"]); {
			case isPaid && n == 0:
				bad("orders", "order %s is paid and has no shipment", order)
			case isPaid && n > 1:
				bad("shipping", "order %s has %d shipments", order, n)
			case !isPaid && n > 0:
				bad("shipping", "order %s is %s and was shipped", order, row["state"])
			case isPaid:
				paid++
			}
		}
		for order := range shipments {
			vs = append(vs, violation{site: "shipping", order: order, text: fmt.Sprintf("order %s was shipped and does not exist", order)})
		}
		return paid, sorted(vs)
	},
}

var cartKeepsAdds = invariant{
	Check: Check{"cart-keeps-adds", "every acknowledged add to a cart is there"},
	views: []string{"cart.audit_adds"},
	judge: func(b *books) (int, []violation) {
		kept := map[string]bool{}
		b.rows("cart.audit_adds", func(row map[string]string) { kept[row["key"]] = true })
		var vs []violation
		n := 0
		for _, r := range b.rec.Requests {
			if r.Class != "cart-add" || !r.Good() || r.Reason != "" {
				continue
			}
			if n++; !kept[r.Key] {
				b.due[r.Key] = r.Due.Seconds()
				vs = append(vs, violation{site: "cart", order: r.Key, text: fmt.Sprintf("cart %s lost the acknowledged add of %s (key %s)", r.Cart, r.SKU, r.Key)})
			}
		}
		return n, vs
	},
}

var nothingStuck = invariant{
	Check: Check{"nothing-stuck", "no saga, reservation, charge or bank call is still open when all is quiet"},
	views: []string{"checkout.audit_sagas", "inventory.audit_reservations", "payment.audit_charges", "bank.audit_calls", "orders.audit_orders"},
	judge: func(b *books) (int, []violation) {
		var vs []violation
		open := func(view, site, order string, states ...string) int {
			return b.rows(view, func(row map[string]string) {
				for _, s := range states {
					if lower(row["state"]) == s {
						vs = append(vs, violation{site: site, order: row[order], at: row["created_at"],
							text: fmt.Sprintf("%s of order %s is still %s", view, row[order], s)})
					}
				}
			})
		}
		n := open("checkout.audit_sagas", "checkout", "order_id", "running", "compensating")
		n += open("inventory.audit_reservations", "inventory", "order_id", "held")
		n += open("payment.audit_charges", "payment", "order_id", "pending")
		n += open("bank.audit_calls", "bank", "reference", "open")
		n += open("orders.audit_orders", "checkout", "order_id", "pending")
		return n, vs
	},
}
