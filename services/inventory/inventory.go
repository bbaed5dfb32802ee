// Package inventory keeps the shop's stock and never oversells it.
//
// An order's reservation goes through these states:
//
//	            Reserve           Commit
//	(unknown) ──────────▶ held ─────────────▶ committed
//	    │                 │  ▲                    │
//	    │        its time │  │ Reserve            │ Release
//	    │                 ▼  │        Release     ▼
//	    │              expired ───────────────▶ released (final)
//	    │                 └── Commit, if there is stock left ──▶ committed
//	    └── Release ──▶ released, so that a late Reserve is refused
//
// What it promises:
//
//   - For every product, at every moment: what is on hand and what was sold
//     make up the initial stock, and no more is reserved than is on hand.
//   - All lines of an order are reserved, or none. An order is reserved once,
//     sold once and given back once, however often each is asked for.
//   - A released order stays released: whatever of it is still under way
//     finds the mark.
//   - A reservation that nobody finishes gives its stock back by itself.
//
// Each call is one statement, a transaction of its own in which row locks are
// taken in one order; so they are held for as long as PostgreSQL works, not for
// as long as a message travels, and nobody waits in a circle. Time is the
// database's.
//
// [Store] is the stock in PostgreSQL, [NewServer] the gRPC surface, [Reaper] what
// ends reservations that are over their time, and [Run] the process.
package inventory

import (
	"slices"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam/services/internal/answer"
)

// A State is what became of a reservation.
type State string

// The states of a reservation.
const (
	Held      State = "held"
	Committed State = "committed"
	Released  State = "released"
	Expired   State = "expired"
)

// Reasons that a refusal carries (see answer.Reason).
const (
	ReasonSoldOut     = "SOLD_OUT"     // too little of a product is free
	ReasonUnknownSKU  = "UNKNOWN_SKU"  // there is no such product
	ReasonReleased    = "RELEASED"     // the order was released, and stays so
	ReasonNotReserved = "NOT_RESERVED" // the order has never been reserved
)

// A Line is one product of an order.
type Line struct {
	SKU      string
	Quantity int32 // 1 to MaxQuantity
}

// MaxQuantity is the most of one product that an order may hold.
const MaxQuantity = 99

// MaxLines is the most lines of an order: a tenth of the usual number of
// products, so that no single order locks the whole stock.
const MaxLines = 100

// A Reservation is what inventory knows of an order.
type Reservation struct {
	Order   string
	State   State
	Expires time.Time // by the database's clock; while held
}

// arrange validates the lines of an order and returns them as the store takes
// them, in the order of their products. INVALID_ARGUMENT says what is wrong.
func arrange(lines []Line) (skus []string, quantities []int32, err error) {
	if len(lines) == 0 || len(lines) > MaxLines {
		return nil, nil, answer.Invalid("lines", "are %d, want 1 to %d", len(lines), MaxLines)
	}
	sorted := slices.SortedFunc(slices.Values(lines), func(a, b Line) int { return strings.Compare(a.SKU, b.SKU) })
	for i, l := range sorted {
		if err := answer.Text("sku", l.SKU); err != nil {
			return nil, nil, err
		}
		if l.Quantity < 1 || l.Quantity > MaxQuantity {
			return nil, nil, answer.Invalid("quantity", "of %s is %d, want 1 to %d", l.SKU, l.Quantity, MaxQuantity)
		}
		if i > 0 && l.SKU == sorted[i-1].SKU {
			return nil, nil, answer.Invalid("lines", "name %s twice", l.SKU)
		}
		skus, quantities = append(skus, l.SKU), append(quantities, l.Quantity)
	}
	return skus, quantities, nil
}
