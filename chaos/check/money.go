package check

import "fmt"

// merchant is the account of the bank's ledger that the shop's money is in.
const merchant = "merchant"

// moved is what the bank moved for one order, as its ledger says.
type moved struct {
	charged, refunded int64 // cents, both positive
	charges, refunds  int   // transactions
}

// bank sums the merchant's account by order.
func (b *books) bank() map[string]moved {
	sums := map[string]moved{}
	b.rows("bank.audit_ledger", func(row map[string]string) {
		if row["account"] != merchant {
			return
		}
		m := sums[row["reference"]]
		if row["kind"] == "refund" {
			m.refunded -= number(row, "amount")
			m.refunds++
		} else {
			m.charged += number(row, "amount")
			m.charges++
		}
		sums[row["reference"]] = m
	})
	return sums
}

var capturedOnce = invariant{
	Check: Check{"captured-once", "for each order the bank has charged nothing, or its total, once"},
	views: []string{"bank.audit_ledger", "checkout.audit_sagas"},
	judge: func(b *books) (int, []violation) {
		total := map[string]int64{}
		b.rows("checkout.audit_sagas", func(row map[string]string) { total[row["order_id"]] = number(row, "total") })
		var vs []violation
		sums := b.bank()
		for order, m := range sums {
			switch {
			case m.charges > 1:
				vs = append(vs, violation{site: "payment", order: order,
					text: fmt.Sprintf("order %s was charged %d times, %s in all for a total of %s", order, m.charges, euros(m.charged), euros(total[order]))})
			case m.charged != 0 && m.charged != total[order]:
				vs = append(vs, violation{site: "payment", order: order,
					text: fmt.Sprintf("order %s was charged %s for a total of %s", order, euros(m.charged), euros(total[order]))})
			}
		}
		return len(sums), sorted(vs)
	},
}

var refundedOnce = invariant{
	Check: Check{"refunded-once", "what was undone after it was paid is refunded once and in full, and nothing else is"},
	views: []string{"bank.audit_ledger", "checkout.audit_sagas"},
	judge: func(b *books) (int, []violation) {
		var vs []violation
		sums := b.bank()
		n := b.rows("checkout.audit_sagas", func(row map[string]string) {
			order, m := row["order_id"], sums[row["order_id"]]
			bad := func(format string, args ...any) {
				vs = append(vs, violation{site: "payment", order: order, text: fmt.Sprintf(format, args...)})
			}
			switch {
			case m.refunds > 1:
				bad("order %s was refunded %d times", order, m.refunds)
			case m.refunded > m.charged:
				bad("order %s was charged %s and refunded %s", order, euros(m.charged), euros(m.refunded))
			case row["state"] == "compensated" && m.charged != m.refunded:
				bad("order %s was undone with %s charged and %s refunded", order, euros(m.charged), euros(m.refunded))
			case row["state"] == "completed" && m.refunds > 0:
				bad("order %s was completed and refunded", order)
			}
		})
		return n, vs
	},
}

var ledgersBalance = invariant{
	Check: Check{"ledgers-balance", "every transaction of both ledgers sums to nothing"},
	views: []string{"bank.audit_ledger", "payment.audit_ledger"},
	judge: func(b *books) (int, []violation) {
		var vs []violation
		n := 0
		for view, site := range map[string]string{"bank.audit_ledger": "bank", "payment.audit_ledger": "payment"} {
			sum, order := map[string]int64{}, map[string]string{}
			b.rows(view, func(row map[string]string) {
				sum[row["transaction"]] += number(row, "amount")
				order[row["transaction"]] = row["reference"] + row["order_id"]
			})
			n += len(sum)
			for tx, left := range sum {
				if left != 0 {
					vs = append(vs, violation{site: site, order: order[tx], text: fmt.Sprintf("transaction %s of %s leaves %s over", tx, view, euros(left))})
				}
			}
		}
		return n, sorted(vs)
	},
}

var ledgersAgree = invariant{
	Check: Check{"ledgers-agree", "payment's ledger says of each order what the bank's says"},
	views: []string{"bank.audit_ledger", "payment.audit_ledger"},
	judge: func(b *books) (int, []violation) {
		// Each transaction has one positive and one negative entry of the same
		// amount: half the sum of magnitudes is what was moved.
		ours := map[string]int64{}
		b.rows("payment.audit_ledger", func(row map[string]string) {
			amount := number(row, "amount")
			if amount < 0 {
				return
			}
			if row["kind"] == "refund" {
				amount = -amount
			}
			ours[row["order_id"]] += amount
		})
		var vs []violation
		sums := b.bank()
		for order, m := range sums {
			if net := m.charged - m.refunded; ours[order] != net {
				vs = append(vs, violation{site: "payment", order: order,
					text: fmt.Sprintf("order %s: payment booked %s, the bank moved %s", order, euros(ours[order]), euros(net))})
			}
			delete(ours, order)
		}
		for order, amount := range ours {
			if amount != 0 {
				vs = append(vs, violation{site: "payment", order: order,
					text: fmt.Sprintf("order %s: payment booked %s, the bank moved nothing", order, euros(amount))})
			}
		}
		return len(sums), sorted(vs)
	},
}

var paidIsCaptured = invariant{
	Check: Check{"paid-is-captured", "an order is paid exactly when the bank has its money"},
	views: []string{"bank.audit_ledger", "orders.audit_orders"},
	judge: func(b *books) (int, []violation) {
		var vs []violation
		sums := b.bank()
		for order, row := range b.orders {
			m := sums[order]
			net, total := m.charged-m.refunded, number(row, "total")
			delete(sums, order)
			switch paid := terminalPaid(row["state"]); {
			case paid && net < total:
				vs = append(vs, violation{site: "checkout", order: order,
					text: fmt.Sprintf("order %s is %s with %s of %s captured", order, row["state"], euros(net), euros(total))})
			case !paid && net > 0:
				vs = append(vs, violation{site: "checkout", order: order,
					text: fmt.Sprintf("order %s is %s and its customer paid %s", order, row["state"], euros(net))})
			}
		}
		for order, m := range sums {
			if m.charged > m.refunded {
				vs = append(vs, violation{site: "checkout", order: order,
					text: fmt.Sprintf("the bank has %s for order %s, which does not exist", euros(m.charged-m.refunded), order)})
			}
		}
		return len(b.orders), sorted(vs)
	},
}
