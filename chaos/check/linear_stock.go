package check

import (
	"fmt"
	"time"

	"github.com/anishathalye/porcupine"
)

// aboutThen is how far the time that a row bears may be from the moment at
// which the statement that wrote it took effect: a statement's longest time.
const aboutThen = time.Second

// stockHistory: at no moment was more of a product taken than there was.
var stockHistory = invariant{
	Check: Check{"stock-history", "the reservations of each product, in some order true to their times, never take more than there is, not even for a moment"},
	views: []string{"inventory.audit_stock", "inventory.audit_reservations"},
	judge: func(b *books) (int, []violation) {
		initial, vague, stories := map[string]int64{}, map[string]bool{}, map[string]*story{}
		b.rows("inventory.audit_stock", func(r row) { initial[r.text("sku")] = r.number("initial") })
		granted, released := b.reservations()
		n := b.rows("inventory.audit_reservations", func(r row) {
			order, sku, quantity, state := r.text("order_id"), r.text("sku"), r.number("quantity"), r.text("state")
			made, ok1 := stamp(r.text("created_at"))
			ends, ok2 := stamp(r.text("expires_at"))
			touched, ok3 := stamp(r.text("updated_at"))
			if !ok1 || !ok2 || !ok3 || state == "expired" || touched.After(ends.Add(aboutThen)) {
				vague[sku] = true // it was free for others in between, nobody knows for how long
				return
			}
			if state == "released" && !granted[order] {
				return // it may be the mark of one that was never made
			}
			s := stories[sku]
			if s == nil {
				s = &story{violation: violation{site: "inventory", what: sku, at: r.text("updated_at"),
					text: fmt.Sprintf("no order of the reservations of %s explains them: at some time more was taken than the %d there were", sku, initial[sku])}}
				stories[sku] = s
			}
			s.at = min(s.at, r.text("updated_at")) // its first, in whatever order they are read
			s.calls = append(s.calls, porcupine.Operation{ClientId: len(s.calls), Input: quantity, Call: made.Add(-aboutThen).UnixNano(), Return: made.Add(aboutThen).UnixNano()})
			if state == "released" {
				// Not before it was taken, nor at that very moment; what did happen
				// fits all the same, each call a second later than it was.
				from := made.Add(aboutThen + 1)
				if asked := released[order]; asked.After(from) {
					from = asked
				}
				s.calls = append(s.calls, porcupine.Operation{ClientId: len(s.calls), Input: -quantity, Call: from.UnixNano(), Return: touched.Add(aboutThen).UnixNano()})
			}
		})
		for sku := range vague {
			delete(stories, sku)
		}
		_, vs := b.unexplained("stock-history", func(sku string) porcupine.Model { return stockModel(initial[sku]) }, stories)
		return n, vs
	},
}

// reservations says which orders were told that something is reserved for them,
// and when each was first asked to be released.
func (b *books) reservations() (granted map[string]bool, released map[string]time.Time) {
	granted, released = map[string]bool{}, map[string]time.Time{}
	for _, s := range b.asked.spans().attempts {
		order := s.Attrs[callOrder]
		switch what := method(s); {
		case s.Peer != "inventory":
		case what == "Reserve" && s.Code == "OK":
			granted[order] = true
		case what == "Release" && released[order].IsZero():
			released[order] = s.Start
		}
	}
	return granted, released
}

// stockModel is what is left of a product. Giving back needs nothing; taking
// needs as much.
func stockModel(initial int64) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return initial },
		Step: func(state, input, _ any) (bool, any) {
			left := state.(int64) - input.(int64)
			return input.(int64) < 0 || left >= 0, left
		},
	}
}
