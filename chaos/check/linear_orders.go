package check

import (
	"fmt"
	"slices"

	"github.com/anishathalye/porcupine"
)

// nobodyKnows is an order's state before anybody was told one.
const nobodyKnows = ""

// orderHistory: customers never see an order go back.
var orderHistory = invariant{
	Check: Check{"order-history", "what customers are told of an order, one after the other, is a legal way of its state: it never goes back"},
	views: []string{"orders.audit_orders"},
	judge: func(b *books) (int, []violation) {
		stories := map[string]*story{}
		tell := func(id, state string, from, to int64) {
			s := stories[id]
			if s == nil {
				s = &story{violation: violation{site: "orders", order: id,
					text: fmt.Sprintf("what customers were told of order %s, one after the other, is no legal way of an order's state", id)}}
				stories[id] = s
			}
			s.calls = append(s.calls, porcupine.Operation{ClientId: len(s.calls), Input: nil, Output: state, Call: from, Return: to})
		}
		for _, r := range b.asked.requests {
			if r.Good() && r.Order != "" && r.State != "" {
				tell(r.Order, r.State, r.Sent.Nanoseconds(), max(r.Done, r.Sent).Nanoseconds())
			}
		}
		for id := range stories { // what the stores say at last is told after all else
			if o, exists := b.orders[id]; exists {
				tell(id, o.state, forEver-1, forEver-1)
			}
		}
		return b.unexplained("order-history", func(string) porcupine.Model { return orderModel }, stories)
	},
}

// orderModel is an order that moves by itself: it can be seen in a state if
// that can be reached from where it was seen before.
var orderModel = porcupine.Model{
	Init: func() any { return nobodyKnows },
	Step: func(state, _, output any) (bool, any) {
		was, is := state.(string), output.(string)
		return was == nobodyKnows || reachable(was, is), is
	},
}

// reachable reports whether legal steps lead from one state of an order to
// another; from each to itself, none.
func reachable(from, to string) bool {
	return from == to || slices.ContainsFunc(legal[from], func(next string) bool { return reachable(next, to) })
}
