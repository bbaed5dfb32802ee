package check

import "fmt"

var noOversell = invariant{
	Check: Check{"no-oversell", "never more is sold or reserved than there was"},
	views: []string{"inventory.audit_stock", "inventory.audit_reservations"},
	judge: func(b *books) (int, []violation) {
		return stock(b, true)
	},
	always: func(b *books) []violation {
		_, vs := stock(b, false)
		return vs
	},
}

// stock holds each product's row against its reservations. Of all the rows,
// the sums must be equal; of some, what was taken cannot be more than there was.
func stock(b *books, whole bool) (int, []violation) {
	type sums struct {
		committed, held int64
		last            string // when the latest of them was touched
	}
	taken := map[string]sums{}
	b.rows("inventory.audit_reservations", func(r row) {
		s := taken[r.text("sku")]
		switch r.text("state") {
		case "committed":
			s.committed += r.number("quantity")
		case "held":
			s.held += r.number("quantity")
		default:
			return
		}
		s.last = max(s.last, r.text("updated_at"))
		taken[r.text("sku")] = s
	})
	var vs []violation
	n := b.rows("inventory.audit_stock", func(r row) {
		sku, initial, hand := r.text("sku"), r.number("initial"), r.number("on_hand")
		reserved, sold := r.number("reserved"), r.number("sold")
		s := taken[sku]
		bad := func(format string, args ...any) {
			vs = append(vs, violation{site: "inventory", what: sku, at: s.last, text: sku + ": " + fmt.Sprintf(format, args...)})
		}
		switch {
		case max(sold, s.committed) > initial:
			bad("%d sold of %d", max(sold, s.committed), initial)
		case hand < 0 || reserved < 0 || reserved > hand:
			bad("%d on hand, %d reserved", hand, reserved)
		case hand+sold != initial:
			bad("%d on hand and %d sold do not make the %d there were", hand, sold, initial)
		case !whole:
		case s.committed != sold:
			bad("%d sold, but %d taken by orders", sold, s.committed)
		case s.held != reserved:
			bad("%d reserved, but %d held for orders", reserved, s.held)
		}
	})
	return n, vs
}

var stockFollowsOrders = invariant{
	Check: Check{"stock-follows-orders", "what is committed from stock is what the paid orders hold, line by line"},
	views: []string{"inventory.audit_reservations", "orders.audit_orders", "orders.audit_lines"},
	judge: func(b *books) (int, []violation) {
		type line struct{ order, sku string }
		wanted, committed := map[line]int64{}, map[line]int64{}
		b.rows("orders.audit_lines", func(r row) {
			if id := r.text("order_id"); b.orders[id].paid() {
				wanted[line{id, r.text("sku")}] += r.number("quantity")
			}
		})
		b.rows("inventory.audit_reservations", func(r row) {
			if r.text("state") == "committed" {
				committed[line{r.text("order_id"), r.text("sku")}] += r.number("quantity")
			}
		})
		var vs []violation
		for l, n := range wanted {
			if committed[l] != n {
				vs = append(vs, violation{site: "checkout", order: l.order, what: l.sku,
					text: fmt.Sprintf("order %s is paid with %d of %s, but %d were taken from stock", l.order, n, l.sku, committed[l])})
			}
		}
		for l, n := range committed {
			if _, ok := wanted[l]; !ok {
				vs = append(vs, violation{site: "checkout", order: l.order, what: l.sku,
					text: fmt.Sprintf("%d of %s were taken from stock for order %s, which is not paid for them", n, l.sku, l.order)})
			}
		}
		return len(wanted), vs
	},
}
