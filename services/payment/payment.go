// Package payment takes money for orders through the bank, exactly once for
// each key, and books it in a double-entry ledger.
//
// A charge goes through these states; the boxes on the right are final:
//
//	            Capture                    bank: charged
//	(unknown) ──────────▶ pending ───────────────────────▶ captured
//	    │                    │ bank: declined                  │
//	    │                    ├─────────────▶ declined          │ Refund, bank: refunded
//	    │ Refund             │ Refund, bank: void              ▼
//	    └────────▶ void ◀────┴──────── or charged ────────▶ refunded
//
// What makes it exact:
//
//   - The pending row is committed before the bank is asked, and the bank is
//     asked under a key that derives from the row's. Whoever finds a pending
//     row, a repeated Capture or the resolver, may therefore ask again.
//   - No connection and no lock is held while the bank is asked. What it said
//     is booked by one statement that compares the state it changes: state and
//     ledger move together, and once.
//   - A Refund first marks the row as given back, which is never unmarked, and
//     a marked row cannot become captured. Then it voids the bank's key, and
//     gives back what the bank had charged before that. A Capture that is
//     still on its way on another replica either came first, and is given
//     back, or meets the mark here and the void at the bank.
//   - A Refund of a key that was never captured leaves a void row, at which a
//     late Capture ends.
//   - An answer of the bank that is not a plain yes or no is never taken for
//     either: the charge stays pending, and the caller is told UNAVAILABLE or
//     DEADLINE_EXCEEDED.
//
// [Service] holds these rules, [Store] the tables, [Resolver] finishes what a
// crash left behind, [NewServer] is the gRPC surface and [Run] the process.
package payment

import (
	"strings"

	"github.com/bedlamlab/bedlam/services/internal/answer"
)

// A State is what became of a charge.
type State string

// The states of a charge.
const (
	Pending  State = "pending"
	Captured State = "captured"
	Declined State = "declined"
	Refunded State = "refunded"
	Void     State = "void"
)

// Reasons that a refusal carries (see answer.Reason).
const (
	ReasonDeclined = "DECLINED" // the bank declined the card, and stays so
	ReasonVoid     = "VOID"     // refunded before it was captured, or being so
	ReasonRefunded = "REFUNDED" // captured once, and given back
)

// A Capture asks to take money for an order.
type Capture struct {
	Key      string
	Order    string
	Amount   int64  // cents, 1 to MaxAmount
	Currency string // three capital letters
	Card     string // token
}

// MaxAmount bounds one charge: 100 million in cents, as the bank does.
const MaxAmount = 100_000_000_00

// maxKey leaves room for the prefixes under which the bank knows a key.
const maxKey = answer.MaxText - 16

// A Charge is what payment knows of a key.
type Charge struct {
	Key           string
	Order         string
	Amount        int64 // cents; 0 for a key that was refunded before it was captured
	State         State
	BankReference string // the bank's own identifier, once it has charged

	currency, card string
	givingBack     bool // a refund was asked for, which is never taken back
}

// settled reports whether nothing is left to ask the bank.
func (c Charge) settled() bool {
	return c.State != Pending && !(c.State == Captured && c.givingBack)
}

// Keys under which the bank knows a charge and its refund. They depend on
// nothing but the key, so that every attempt of every replica uses the same.
func (c Charge) bankKey() string   { return "capture/" + c.Key }
func (c Charge) refundKey() string { return "refund/" + c.Key }

// Validate returns INVALID_ARGUMENT for the first field that is wrong.
func (c Capture) Validate() error {
	if err := validateKey(c.Key); err != nil {
		return err
	}
	if err := answer.Text("order", c.Order); err != nil {
		return err
	}
	if err := answer.Text("card", c.Card); err != nil {
		return err
	}
	if c.Amount < 1 || c.Amount > MaxAmount {
		return answer.Invalid("amount", "is %d cents, want 1 to %d", c.Amount, MaxAmount)
	}
	if len(c.Currency) != 3 || strings.Trim(c.Currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return answer.Invalid("currency", "is %q, want three capital letters", c.Currency)
	}
	return nil
}

func validateKey(key string) error {
	if err := answer.Text("key", key); err != nil {
		return err
	}
	if len(key) > maxKey {
		return answer.Invalid("key", "has %d bytes, want at most %d", len(key), maxKey)
	}
	return nil
}
