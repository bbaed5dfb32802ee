package loadgen

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam/loadgen/internal/http1"
)

// A customer whose order is still pending looks at it every half second, and
// gives up after five: by then a saga that was resumed after a crash is done.
const (
	pollEvery = 500 * time.Millisecond
	pollFor   = 5 * time.Second
)

// The states of an order.
const (
	statePending   = "PENDING"
	statePaid      = "PAID"
	stateShipped   = "SHIPPED"
	stateCancelled = "CANCELLED"
)

// An order is what the shop says of one.
type order struct {
	Order string `json:"order"`
	State string `json:"state"`
	Total int64  `json:"total"` // cents
}

func checkoutPath(dst []byte, _ *shopper, _ Step) []byte { return append(dst, "/api/checkout"...) }

func checkoutBody(dst []byte, s *shopper, st Step) []byte {
	dst = append(append(dst, `{"cart":"`...), s.cart...)
	dst = append(append(dst, `","customer":"`...), s.customer...)
	dst = append(append(dst, `","card":"`...), st.Card...)
	return append(dst, `"}`...)
}

// checkCheckout wants a paid order at a price (201), or a pending one that can
// be read (202). A declined card cannot have paid.
func checkCheckout(s *shopper, st Step, a *http1.Answer, r *Request) {
	var o order
	bad := json.Unmarshal(a.Body, &o) != nil || o.Order == "" || !word(o.Order)
	if !bad {
		r.Order, r.State, r.Total = o.Order, o.State, o.Total
	}
	switch {
	case bad:
	case a.Status == 201:
		bad = o.State != statePaid || o.Total <= 0 || strings.HasPrefix(st.Card, declinedCard)
	case a.Status == 202:
		bad = o.State != statePending
	default:
		bad = true
	}
	if bad {
		r.deny()
		return
	}
	s.order = o
}

// doubt looks at a checkout's refusal with what the customer knows: the cart
// was acknowledged, and a good card is not declined.
func doubt(st Step, r *Request) {
	if r.Class != ClassCheckout || r.Outcome != OK {
		return
	}
	if r.Reason == "empty_cart" || r.Reason == "declined" && !strings.HasPrefix(st.Card, declinedCard) {
		r.deny()
	}
}

func orderPath(dst []byte, s *shopper, _ Step) []byte {
	return append(append(dst, "/api/orders/"...), s.order.Order...)
}

// checkOrder reads a checkout back. An order that was paid stays paid, at the
// same total; a pending one may have come to any end, but it is there.
func checkOrder(s *shopper, _ Step, a *http1.Answer, r *Request) {
	var o order
	if json.Unmarshal(a.Body, &o) != nil || o.Order != s.order.Order {
		r.deny()
		return
	}
	r.State, r.Total = o.State, o.Total
	paid := o.State == statePaid || o.State == stateShipped
	known := paid || o.State == statePending || o.State == stateCancelled
	switch {
	case !known,
		s.order.State == statePaid && !paid,
		paid && o.Total <= 0,
		paid && s.order.Total > 0 && o.Total != s.order.Total:
		r.deny()
		return
	}
	if paid { // and from now on it must stay so
		s.order = order{Order: o.Order, State: statePaid, Total: o.Total}
	} else {
		s.order.State = o.State
	}
}
