package check

import "fmt"

// merchant is the account of the bank's ledger that the shop's money is in.
const merchant = "merchant"

// moved is what the bank moved for one order, as its ledger says.
type moved struct {
	charged, refunded int64 // cents, both positive
	charges, refunds  int   // transactions
	last              string
}

// bank sums the merchant's account by order.
func (b *books) bank() map[string]moved {
	sums := map[string]moved{}
	b.rows("bank.audit_ledger", func(r row) {
		if r.text("account") != merchant {
			return
		}
		m := sums[r.text("reference")]
		switch kind := r.text("kind"); kind {
		case "charge":
			m.charged += r.number("amount")
			m.charges++
		case "refund":
			m.refunded -= r.number("amount")
			m.refunds++
		default:
			b.spoil("bank.audit_ledger", "an entry is of kind %q", kind)
		}
		m.last = max(m.last, r.text("created_at"))
		sums[r.text("reference")] = m
	})
	return sums
}

// totals are what each order costs, as its saga says.
func (b *books) totals() map[string]int64 {
	total := map[string]int64{}
	b.rows("checkout.audit_sagas", func(r row) { total[r.text("order_id")] = r.number("total") })
	return total
}

var capturedOnce = invariant{
	Check: Check{"captured-once", "for each order the bank has charged nothing, or its total, once"},
	views: []string{"bank.audit_ledger", "checkout.audit_sagas"},
	judge: func(b *books) (int, []violation) {
		total, sums := b.totals(), b.bank()
		vs := chargedTwice(sums)
		for order, m := range sums {
			if m.charges <= 1 && m.charged != 0 && m.charged != total[order] {
				vs = append(vs, violation{site: "payment", order: order, at: m.last,
					text: fmt.Sprintf("order %s was charged %s for a total of %s", order, euros(m.charged), euros(total[order]))})
			}
		}
		return len(sums), vs
	},
	always: func(b *books) []violation { return chargedTwice(b.bank()) },
}

func chargedTwice(sums map[string]moved) []violation {
	var vs []violation
	for order, m := range sums {
		if m.charges > 1 {
			vs = append(vs, violation{site: "payment", order: order, at: m.last,
				text: fmt.Sprintf("order %s was charged %d times, %s in all", order, m.charges, euros(m.charged))})
		}
	}
	return vs
}

var refundedOnce = invariant{
	Check: Check{"refunded-once", "what was undone after it was paid is refunded once and in full, and nothing else is"},
	views: []string{"bank.audit_ledger", "checkout.audit_sagas"},
	judge: func(b *books) (int, []violation) {
		sums := b.bank()
		state := map[string]string{}
		b.rows("checkout.audit_sagas", func(r row) { state[r.text("order_id")] = r.text("state") })
		vs := refundedTwice(sums)
		for order, m := range sums {
			bad := func(format string, args ...any) {
				vs = append(vs, violation{site: "payment", order: order, at: m.last, text: fmt.Sprintf(format, args...)})
			}
			switch {
			case m.refunds > 1: // said already
			case m.refunded > m.charged:
				bad("order %s was charged %s and refunded %s", order, euros(m.charged), euros(m.refunded))
			case state[order] == "compensated" && m.charged != m.refunded:
				bad("order %s was undone with %s charged and %s refunded", order, euros(m.charged), euros(m.refunded))
			case state[order] == "completed" && m.refunds > 0:
				bad("order %s was completed and refunded", order)
			}
		}
		return len(state), vs
	},
	always: func(b *books) []violation { return refundedTwice(b.bank()) },
}

func refundedTwice(sums map[string]moved) []violation {
	var vs []violation
	for order, m := range sums {
		if m.refunds > 1 {
			vs = append(vs, violation{site: "payment", order: order, at: m.last,
				text: fmt.Sprintf("order %s was refunded %d times", order, m.refunds)})
		}
	}
	return vs
}

var ledgersAgree = invariant{
	Check: Check{"ledgers-agree", "payment's ledger says of each order what the bank's says"},
	views: []string{"bank.audit_ledger", "payment.audit_ledger"},
	judge: func(b *books) (int, []violation) {
		// Each transaction has one positive and one negative entry of the same
		// amount: the positive ones are what was moved.
		ours := map[string]int64{}
		b.rows("payment.audit_ledger", func(r row) {
			amount := r.number("amount")
			if amount < 0 {
				return
			}
			if r.text("kind") == "refund" {
				amount = -amount
			}
			ours[r.text("order_id")] += amount
		})
		var vs []violation
		sums := b.bank()
		for order, m := range sums {
			if net := m.charged - m.refunded; ours[order] != net {
				vs = append(vs, violation{site: "payment", order: order, at: m.last,
					text: fmt.Sprintf("order %s: payment booked %s, the bank moved %s", order, euros(ours[order]), euros(net))})
			}
		}
		for order, amount := range ours {
			if _, known := sums[order]; !known && amount != 0 {
				vs = append(vs, violation{site: "payment", order: order,
					text: fmt.Sprintf("order %s: payment booked %s, the bank moved nothing", order, euros(amount))})
			}
		}
		return len(sums), vs
	},
}

var paidIsCaptured = invariant{
	Check: Check{"paid-is-captured", "an order is paid exactly when the bank has its money"},
	views: []string{"bank.audit_ledger", "orders.audit_orders"},
	judge: func(b *books) (int, []violation) {
		var vs []violation
		sums := b.bank()
		for id, o := range b.orders {
			m := sums[id]
			net := m.charged - m.refunded
			switch {
			case o.paid() && net < o.total:
				vs = append(vs, violation{site: "checkout", order: id,
					text: fmt.Sprintf("order %s is %s with %s of %s captured", id, o.state, euros(net), euros(o.total))})
			case !o.paid() && net > 0:
				vs = append(vs, violation{site: "checkout", order: id,
					text: fmt.Sprintf("order %s is %s and its customer paid %s", id, o.state, euros(net))})
			}
		}
		for id, m := range sums {
			if _, known := b.orders[id]; !known && m.charged > m.refunded {
				vs = append(vs, violation{site: "checkout", order: id, at: m.last,
					text: fmt.Sprintf("the bank has %s for order %s, which does not exist", euros(m.charged-m.refunded), id)})
			}
		}
		return len(b.orders), vs
	},
}
