package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
)

var noLostOrder = invariant{
	Check: Check{"no-lost-order", "every order that a customer was told of exists, and one that was said to be paid is, at that price"},
	views: []string{"orders.audit_orders"},
	judge: func(b *books) (int, []violation) {
		var vs []violation
		n := 0
		for id, r := range b.asked.orders {
			if !r.Good() || r.State != "PAID" && r.State != "PENDING" {
				continue
			}
			n++
			o, exists := b.orders[id]
			switch {
			case !exists:
				vs = append(vs, violation{site: "orders", order: id, text: fmt.Sprintf("order %s was acknowledged as %s and does not exist", id, r.State)})
			case r.State == "PAID" && !o.paid():
				vs = append(vs, violation{site: "checkout", order: id, text: fmt.Sprintf("order %s was acknowledged as PAID and is %s", id, o.state)})
			case r.State == "PAID" && r.Total != o.total:
				vs = append(vs, violation{site: "checkout", order: id,
					text: fmt.Sprintf("order %s was acknowledged at %s and has a total of %s", id, euros(r.Total), euros(o.total))})
			}
		}
		return n, vs
	},
}

var noPhantomOrder = invariant{
	Check:   Check{"no-phantom-order", "no order exists that nobody asked for, and none twice for one key"},
	views:   []string{"orders.audit_orders"},
	history: true,
	judge: func(b *books) (int, []violation) {
		vs := sameKey(b)
		n := b.rows("orders.audit_orders", func(r row) {
			id, key := r.text("order_id"), r.text("key")
			if b.m.rec.Plan.System != "" && !strings.HasPrefix(key, loadgen.Keys(b.m.rec.Plan.Run)) {
				return // a system that ran already may have customers of its own
			}
			if b.asked.checkouts[key] == nil || key == "" {
				vs = append(vs, violation{site: "checkout", order: id, at: r.text("created_at"),
					text: fmt.Sprintf("order %s has the key %q, which no customer used", id, key)})
			}
		})
		return n, vs
	},
	always: sameKey,
}

// sameKey finds orders that one key has bought.
func sameKey(b *books) []violation {
	byKey := map[string][]string{}
	b.rows("orders.audit_orders", func(r row) { byKey[r.text("key")] = append(byKey[r.text("key")], r.text("order_id")) })
	var vs []violation
	for key, ids := range byKey {
		if slices.Sort(ids); len(ids) > 1 {
			vs = append(vs, violation{site: "checkout", key: key, what: "twice",
				text: fmt.Sprintf("orders %s and %s have the same key", ids[0], ids[1])})
		}
	}
	return vs
}

var refusalIsFinal = invariant{
	Check:   Check{"refusal-is-final", "who was refused, or told that nothing was done, has no paid order"},
	views:   []string{"orders.audit_orders"},
	history: true,
	judge: func(b *books) (int, []violation) {
		var vs []violation
		for id, o := range b.orders {
			r := b.asked.checkouts[o.key]
			if r == nil || !o.paid() {
				continue
			}
			clean := r.Outcome == loadgen.Failed && r.Reason != untrue
			refused := r.Outcome == loadgen.OK && r.Reason != ""
			if clean || refused {
				site := "checkout"
				if clean {
					site = "gateway"
				}
				vs = append(vs, violation{site: site, order: id, text: fmt.Sprintf("order %s is %s although its customer was told %s", id, o.state, r.Reason)})
			}
		}
		return len(b.asked.checkouts), vs
	},
}

// legal are the ways of an order's state.
var legal = map[string][]string{
	"PENDING": {"PAID", "CANCELLED"},
	"PAID":    {"SHIPPED"},
}

var legalTransitions = invariant{
	Check: Check{"legal-transitions", "each order's state changes one step at a time, in a legal order, and ends where the order is"},
	views: []string{"orders.audit_orders", "orders.audit_transitions"},
	judge: func(b *books) (int, []violation) {
		type step struct {
			seq          int64
			from, to, at string
		}
		steps := map[string][]step{}
		n := b.rows("orders.audit_transitions", func(r row) {
			id := r.text("order_id")
			steps[id] = append(steps[id], step{r.number("seq"), r.text("from_state"), r.text("to_state"), r.text("at")})
		})
		var vs []violation
		for id, o := range b.orders {
			ss := steps[id]
			slices.SortFunc(ss, func(a, b step) int { return int(a.seq - b.seq) })
			state := "PENDING"
			bad := func(format string, args ...any) {
				vs = append(vs, violation{site: "orders", order: id, text: "order " + id + " " + fmt.Sprintf(format, args...)})
			}
			for _, s := range ss {
				if s.from != state || !slices.Contains(legal[s.from], s.to) {
					bad("was %s and went from %s to %s", state, s.from, s.to)
				}
				state = s.to
			}
			if state != o.state {
				bad("is %s, but its history ends at %s", o.state, state)
			}
		}
		return n + len(b.orders), vs
	},
}

// openStates are those in which something is still under way.
var openStates = []struct {
	view, site, order string
	states            []string
}{
	{"checkout.audit_sagas", "checkout", "order_id", []string{"running", "compensating"}},
	{"inventory.audit_reservations", "inventory", "order_id", []string{"held"}},
	{"payment.audit_charges", "payment", "order_id", []string{"pending"}},
	{"bank.audit_calls", "bank", "reference", []string{"open"}},
	{"orders.audit_orders", "checkout", "order_id", []string{"pending"}},
}

var nothingStuck = invariant{
	Check: Check{"nothing-stuck", "no saga, reservation, charge or bank call is still open when all is quiet"},
	views: []string{"checkout.audit_sagas", "inventory.audit_reservations", "payment.audit_charges", "bank.audit_calls", "orders.audit_orders"},
	judge: func(b *books) (int, []violation) {
		var vs []violation
		n := 0
		for _, o := range openStates {
			n += b.rows(o.view, func(r row) {
				state, order := lower(r.text("state")), r.text(o.order)
				if slices.Contains(o.states, state) {
					vs = append(vs, violation{site: o.site, order: order, what: o.view, at: r.text("created_at"),
						text: fmt.Sprintf("%s of order %s is still %s", o.view, order, state)})
				}
			})
		}
		for _, e := range b.m.rec.Journal {
			if e.Kind == chaos.NotQuiescent && len(vs) == 0 {
				vs = append(vs, violation{site: b.m.rec.Plan.Topology.Name, what: "rest", text: "the system had not come to rest long after the load: " + e.Detail})
			}
		}
		return n, vs
	},
}
