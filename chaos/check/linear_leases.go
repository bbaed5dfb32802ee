package check

import (
	"fmt"
	"strconv"
	"time"

	"github.com/anishathalye/porcupine"
)

// toTake is the longest that taking a saga may last before its span begins: a
// statement of at most a second.
const toTake = time.Second

// leaseHistory: a saga has one owner at a time, and epochs only rise.
var leaseHistory = invariant{
	Check: Check{"lease-history", "each epoch of a saga has one owner, and whoever takes it over has a later epoch than all before"},
	views: []string{"checkout.audit_sagas"},
	judge: func(b *books) (int, []violation) {
		stories := map[string]*story{}
		take := func(order string, epoch int64, from, to int64, last bool) {
			s := stories[order]
			if s == nil {
				s = &story{violation: violation{site: "checkout", order: order,
					text: fmt.Sprintf("the saga of order %s had two owners in one epoch, or an epoch that was over", order)}}
				stories[order] = s
			}
			s.calls = append(s.calls, porcupine.Operation{ClientId: len(s.calls), Input: last, Output: epoch, Call: from, Return: to})
		}
		for _, s := range b.asked.spans().sagas {
			epoch, err := strconv.ParseInt(s.Attrs[sagaEpoch], 10, 64)
			if order := s.Attrs[shopOrder]; err == nil && order != "" {
				take(order, epoch, s.Start.Add(-toTake).UnixNano(), s.Start.UnixNano(), false)
			}
		}
		n := b.rows("checkout.audit_sagas", func(r row) {
			if order := r.text("order_id"); stories[order] != nil {
				take(order, r.number("epoch"), forEver-1, forEver-1, true)
			}
		})
		_, vs := b.unexplained("lease-history", func(string) porcupine.Model { return leaseModel }, stories)
		return n, vs
	},
}

// leaseModel is a fencing token: it is taken only in a later epoch; at last the
// row bears the epoch of the last owner, or that of one who left no trace.
var leaseModel = porcupine.Model{
	Init: func() any { return int64(0) },
	Step: func(state, input, output any) (bool, any) {
		was, is, last := state.(int64), output.(int64), input.(bool)
		return is > was || last && is == was, is
	},
}
