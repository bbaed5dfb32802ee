package checkout

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/bedlamlab/bedlam/services/checkout/checkoutpb"
	"github.com/bedlamlab/bedlam/services/internal/answer"
)

// The states of a saga.
const (
	running      = "running"
	completed    = "completed"
	compensating = "compensating"
	compensated  = "compensated"
)

// The steps, by what has been asked for when the row names them.
const (
	stepRead    = "read" // only the cart was read: nothing has an effect
	stepCreate  = "create"
	stepReserve = "reserve"
	stepCapture = "capture"
	stepCommit  = "commit"
	stepPaid    = "paid"
	stepClear   = "clear"

	stepRefund  = "refund"
	stepRelease = "release"
	stepCancel  = "cancel"
	// stepUnmake cancels an order of which it is not known that it was made.
	stepUnmake = "unmake"
)

// Why a checkout was cancelled.
const (
	reasonSoldOut   = "sold_out"
	reasonDeclined  = "declined"
	reasonEmptyCart = "empty_cart"
	reasonTimeout   = "timeout"
	reasonRejected  = "rejected" // a service called the request itself wrong
)

// What a customer is told.
const (
	answerPending   = "PENDING"
	answerPaid      = "PAID"
	answerCancelled = "CANCELLED"
)

// A request is what a customer asked for.
type request struct{ key, cart, customer, card string }

func (r request) validate() error {
	for _, f := range [][2]string{{"key", r.key}, {"cart", r.cart}, {"customer", r.customer}, {"card", r.card}} {
		if err := answer.Text(f[0], f[1]); err != nil {
			return err
		}
	}
	return nil
}

// A line is one product of the cart at the price at which it is bought.
type line struct {
	SKU      string `json:"sku"`
	Quantity int32  `json:"quantity"`
	Price    int64  `json:"price"` // cents, of one
}

// A basket is a cart that was read and priced once; every attempt of the saga
// uses the same.
type basket struct {
	version  int64 // of the cart
	lines    []line
	currency string
	total    int64 // cents
}

// A saga is a checkout under way, or at its end.
type saga struct {
	id, order string
	request   request
	basket    basket
	state     string
	step      string
	reason    string
	epoch     int64
	failures  int
	trace     string
	age       time.Duration // when it was read
}

// digest names what belongs to a key. 128 bits of SHA-256 do not meet, and the
// same key gives the same names on every replica and after every crash.
func digest(key string) string {
	sum := sha256.Sum256([]byte("shop checkout " + key))
	return hex.EncodeToString(sum[:16])
}

func sagaOf(key string) string  { return "g-" + digest(key) }
func orderOf(key string) string { return "o-" + digest(key) }

// copy returns a saga that may be driven while s is read.
func (s *saga) copy() *saga {
	c := *s
	return &c
}

// captureKey is the key under which the order's money is taken, once.
func (s *saga) captureKey() string { return "pay-" + s.order }

// ended reports whether nothing is left to do.
func (s *saga) ended() bool { return s.state == completed || s.state == compensated }

// decided reports whether the customer's answer is final: the money is taken
// and the order says so, or everything was undone.
func (s *saga) decided() bool { return s.ended() || s.state == running && s.step == stepClear }

// made reports whether it is known that there is an order, so that its name may
// be told: who is told one can read it.
func (s *saga) made() bool { return s.step != stepRead && s.step != stepCreate && s.step != stepUnmake }

// placed is the customer's answer, of a saga that is decided or has made its
// order.
func (s *saga) placed() *checkoutpb.Placed {
	p := &checkoutpb.Placed{Order: s.order, State: answerPending, Total: s.basket.total}
	if !s.made() {
		p.Order = ""
	}
	switch {
	case s.state == compensated:
		p.State, p.Reason = answerCancelled, s.reason
	case s.decided():
		p.State = answerPaid
	}
	return p
}
