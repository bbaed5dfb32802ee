// Package bank is the third party that moves the shop's money. It stands on a
// PostgreSQL of its own, has a stated capacity, and its ledger is the truth
// about every cent.
//
// What it promises:
//
//   - A key is charged at most once, whatever is lost, repeated or sent twice
//     at the same time, and its answer never changes: a repeat is told what the
//     first was told, and a repeat that asks for something else is refused.
//   - A void and a charge of one key race for one row. Whoever comes first
//     wins: either the void is told of the charge, or the charge is refused.
//   - Every transaction's entries sum to zero. The state of a key and the
//     entries are written by one statement: both, or neither.
//   - RESOURCE_EXHAUSTED means that nothing was done.
//
// [Ledger] is the bank's book, [Capacity] its counter, [NewServer] both behind
// gRPC, and [Run] the process.
package bank

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/bedlamlab/bedlam/services/internal/answer"
)

// A State is what became of a key.
type State string

// The states of a key. Declined, void and refunded are final.
//
//	            ┌─▶ declined
//	(unknown) ──┼─▶ charged ──▶ refunded
//	            └─▶ void
const (
	Charged  State = "charged"
	Declined State = "declined"
	Void     State = "void"
	Refunded State = "refunded"
)

// Reasons that a refusal carries (see answer.Reason).
const (
	ReasonDeclined   = "DECLINED"    // the card was declined, and stays so
	ReasonVoid       = "VOID"        // the key was forbidden before it was charged
	ReasonNotCharged = "NOT_CHARGED" // a refund of what was never taken
	ReasonRefunded   = "REFUNDED"    // already given back under another key
)

// A Charge asks to move money from a card to the merchant.
type Charge struct {
	Key       string
	Reference string // the merchant's order
	Amount    int64  // cents, 1 to MaxAmount
	Currency  string // three capital letters
	Card      string // token; one that begins with "declined" is declined
}

// MaxAmount bounds one charge: 100 million in cents. Nine hundred million such
// charges fit into an account's 64-bit sum.
const MaxAmount = 100_000_000_00

// A Transaction is what the bank knows of a key.
type Transaction struct {
	Key       string
	ID        string // the bank's own
	Reference string
	Amount    int64 // cents; 0 for a key that was void before it was charged
	State     State
}

// Validate returns INVALID_ARGUMENT for the first field that is wrong.
func (c Charge) Validate() error {
	for _, f := range []struct{ name, value string }{{"key", c.Key}, {"reference", c.Reference}, {"card", c.Card}} {
		if err := answer.Text(f.name, f.value); err != nil {
			return err
		}
	}
	if c.Amount < 1 || c.Amount > MaxAmount {
		return answer.Invalid("amount", "is %d cents, want 1 to %d", c.Amount, MaxAmount)
	}
	if len(c.Currency) != 3 || strings.Trim(c.Currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return answer.Invalid("currency", "is %q, want three capital letters", c.Currency)
	}
	return nil
}

// decide is the bank's judgement of a card.
func (c Charge) decide() State {
	if strings.HasPrefix(c.Card, "declined") {
		return Declined
	}
	return Charged
}

// digest stands for a card in the books, so that no token is stored: 64 bits
// of SHA-256 keep the accounts of any number of cards a shop sees apart.
func digest(card string) string {
	sum := sha256.Sum256([]byte(card))
	return hex.EncodeToString(sum[:8])
}
