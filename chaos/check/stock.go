package check

import "fmt"

var noOversell = invariant{
	Check: Check{"no-oversell", "never more is sold or reserved than there was"},
	views: []string{"inventory.audit_stock", "inventory.audit_reservations"},
	judge: func(b *books) (int, []violation) {
		var vs []violation
		sold := map[string]int64{}
		b.rows("inventory.audit_reservations", func(row map[string]string) {
			if row["state"] == "committed" {
				sold[row["sku"]] += number(row, "quantity")
			}
		})
		n := b.rows("inventory.audit_stock", func(row map[string]string) {
			sku, initial := row["sku"], number(row, "initial")
			hand, reserved := number(row, "on_hand"), number(row, "reserved")
			bad := func(format string, args ...any) {
				vs = append(vs, violation{site: "inventory", text: sku + ": " + fmt.Sprintf(format, args...)})
			}
			switch {
			case sold[sku] > initial:
				bad("%d sold of %d", sold[sku], initial)
			case hand < 0 || reserved < 0 || reserved > hand:
				bad("%d on hand, %d reserved", hand, reserved)
			case hand+sold[sku] != initial:
				bad("%d on hand and %d sold do not make the %d there were", hand, sold[sku], initial)
			}
		})
		return n, vs
	},
}

var stockFollowsOrders = invariant{
	Check: Check{"stock-follows-orders", "what is committed from stock is what the paid orders hold, line by line"},
	views: []string{"inventory.audit_reservations", "orders.audit_orders", "orders.audit_lines"},
	judge: func(b *books) (int, []violation) {
		type line struct{ order, sku string }
		wanted, committed := map[line]int64{}, map[line]int64{}
		b.rows("orders.audit_lines", func(row map[string]string) {
			if terminalPaid(b.orders[row["order_id"]]["state"]) {
				wanted[line{row["order_id"], row["sku"]}] += number(row, "quantity")
			}
		})
		b.rows("inventory.audit_reservations", func(row map[string]string) {
			if row["state"] == "committed" {
				committed[line{row["order_id"], row["sku"]}] += number(row, "quantity")
			}
		})
		var vs []violation
		for l, n := range wanted {
			if committed[l] != n {
				vs = append(vs, violation{site: "checkout", order: l.order,
					text: fmt.Sprintf("order %s is paid with %d of %s, but %d were taken from stock", l.order, n, l.sku, committed[l])})
			}
		}
		for l, n := range committed {
			if _, ok := wanted[l]; !ok {
				vs = append(vs, violation{site: "checkout", order: l.order,
					text: fmt.Sprintf("%d of %s were taken from stock for order %s, which is not paid", n, l.sku, l.order)})
			}
		}
		return len(wanted), sorted(vs)
	},
}
