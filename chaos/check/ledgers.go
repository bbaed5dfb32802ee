package check

import (
	"fmt"
	"time"
)

var ledgersBalance = invariant{
	Check: Check{"ledgers-balance", "every transaction of both ledgers sums to nothing"},
	views: []string{"bank.audit_ledger", "payment.audit_ledger"},
	judge: func(b *books) (int, []violation) { return unbalanced(b, true) },
	always: func(b *books) []violation {
		_, vs := unbalanced(b, false)
		return vs
	},
}

// torn is how close to the earliest entry of an audit of only some rows a
// transaction may have lost entries that are a little older: entries of one
// transaction bear times that are microseconds apart, and a second is an
// eternity to a statement.
const torn = time.Second

func unbalanced(b *books, whole bool) (int, []violation) {
	type transaction struct {
		sum   int64
		order string
		at    string
		first time.Time
	}
	var vs []violation
	n := 0
	for _, l := range []struct{ view, site, order string }{
		{"bank.audit_ledger", "bank", "reference"}, {"payment.audit_ledger", "payment", "order_id"},
	} {
		all := map[string]transaction{}
		var earliest time.Time
		b.rows(l.view, func(r row) {
			id := r.text("transaction")
			t, seen := all[id]
			t.sum += r.number("amount")
			t.order = r.text(l.order)
			t.at = r.text("created_at")
			at, _ := stamp(t.at)
			if !seen || at.Before(t.first) {
				t.first = at
			}
			if earliest.IsZero() || at.Before(earliest) {
				earliest = at
			}
			all[id] = t
		})
		n += len(all)
		for id, t := range all {
			if t.sum == 0 || !whole && t.first.Sub(earliest) < torn {
				continue
			}
			vs = append(vs, violation{site: l.site, order: t.order, what: id, at: t.at,
				text: fmt.Sprintf("transaction %s of %s leaves %s over", id, l.view, euros(t.sum))})
		}
	}
	return n, vs
}
