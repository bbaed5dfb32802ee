package check

import "fmt"

var outboxEmpty = invariant{
	Check: Check{"outbox-empty", "every event of an order has left the outbox"},
	views: []string{"orders.audit_outbox"},
	judge: func(b *books) (int, []violation) {
		var vs []violation
		n := b.rows("orders.audit_outbox", func(r row) {
			if r.text("published_at") == "" {
				vs = append(vs, violation{site: "orders", order: r.text("order_id"), what: r.text("event"), at: r.text("created_at"),
					text: fmt.Sprintf("event %s of order %s is still in the outbox", r.text("event"), r.text("order_id"))})
			}
		})
		return n, vs
	},
}

var eventsArrive = invariant{
	Check: Check{"events-arrive", "every event that left the outbox is in shipping's inbox once, and every paid order has one"},
	views: []string{"orders.audit_orders", "orders.audit_outbox", "shipping.audit_inbox"},
	judge: func(b *books) (int, []violation) {
		inbox := map[string]int{}
		b.rows("shipping.audit_inbox", func(r row) { inbox[r.text("event")]++ })
		told := map[string]bool{}
		var vs []violation
		n := b.rows("orders.audit_outbox", func(r row) {
			event, order := r.text("event"), r.text("order_id")
			if r.text("type") == "order.paid" {
				told[order] = true
			}
			bad := func(site, format string, args ...any) {
				vs = append(vs, violation{site: site, order: order, what: event, at: r.text("created_at"), text: fmt.Sprintf(format, args...)})
			}
			switch got := inbox[event]; {
			case got == 0 && r.text("published_at") != "":
				// Told so by one, or lost by the other: the books do not say.
				bad("orders->shipping", "event %s of order %s was sent off and never arrived", event, order)
			case got > 1:
				bad("shipping", "event %s of order %s was taken in %d times", event, order, got)
			}
		})
		for id, o := range b.orders {
			if o.paid() && !told[id] {
				vs = append(vs, violation{site: "orders", order: id, text: fmt.Sprintf("order %s is paid and no event says so", id)})
			}
		}
		return n, vs
	},
}

var shippedOnce = invariant{
	Check: Check{"shipped-once", "every paid order is shipped once, and no other is"},
	views: []string{"orders.audit_orders", "shipping.audit_shipments"},
	judge: func(b *books) (int, []violation) {
		shipments, vs := shipments(b)
		paid := 0
		for id, o := range b.orders {
			n := shipments[id]
			bad := func(site, format string, args ...any) {
				vs = append(vs, violation{site: site, order: id, text: fmt.Sprintf(format, args...)})
			}
			switch {
			case o.paid() && n == 0:
				bad("orders", "order %s is paid and has no shipment", id)
			case !o.paid() && n > 0:
				bad("shipping", "order %s is %s and was shipped", id, o.state)
			}
			if o.paid() {
				paid++
			}
		}
		for id := range shipments {
			if _, known := b.orders[id]; !known {
				vs = append(vs, violation{site: "shipping", order: id, what: "unknown", text: fmt.Sprintf("order %s was shipped and does not exist", id)})
			}
		}
		return paid, vs
	},
	always: func(b *books) []violation {
		_, vs := shipments(b)
		return vs
	},
}

// shipments counts those of each order, and finds orders with several.
func shipments(b *books) (map[string]int, []violation) {
	n := map[string]int{}
	b.rows("shipping.audit_shipments", func(r row) { n[r.text("order_id")]++ })
	var vs []violation
	for id, n := range n {
		if n > 1 {
			vs = append(vs, violation{site: "shipping", order: id, what: "twice", text: fmt.Sprintf("order %s has %d shipments", id, n)})
		}
	}
	return n, vs
}
