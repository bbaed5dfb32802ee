package loadgen

import (
	"encoding/json"
	"strconv"

	"github.com/bedlamlab/bedlam/loadgen/internal/http1"
)

// A line is a product in a cart.
type line struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
}

// A cart is what the shop says is in it.
type cart struct {
	Lines []line `json:"lines"`
}

// holds reports whether the cart has at least that many of a product.
func (c cart) holds(want line) bool {
	n := 0
	for _, l := range c.Lines {
		if l.SKU == want.SKU {
			n += l.Quantity
		}
	}
	return n >= want.Quantity
}

func cartPath(dst []byte, s *shopper, _ Step) []byte {
	return append(append(dst, "/api/carts/"...), s.cart...)
}

func addPath(dst []byte, s *shopper, st Step) []byte {
	return append(cartPath(dst, s, st), "/items"...)
}

func addBody(dst []byte, _ *shopper, st Step) []byte {
	dst = append(append(dst, `{"sku":"`...), st.SKU...)
	dst = append(dst, `","quantity":`...)
	return append(strconv.AppendInt(dst, int64(st.Qty), 10), '}')
}

// checkAdd wants the product in the cart that comes back, and remembers what
// the shop has acknowledged.
func checkAdd(s *shopper, st Step, a *http1.Answer, r *Request) {
	var c cart
	add := line{st.SKU, st.Qty}
	if json.Unmarshal(a.Body, &c) != nil || !c.holds(add) {
		r.deny()
		return
	}
	s.added = append(s.added, add)
}

// checkCart wants every acknowledged product: an add that was acknowledged is
// never lost. Only an answer that says it is degraded may leave lines out.
func checkCart(s *shopper, _ Step, a *http1.Answer, r *Request) {
	var c cart
	if json.Unmarshal(a.Body, &c) != nil {
		r.deny()
		return
	}
	if r.Outcome == Degraded {
		return
	}
	for _, l := range s.added {
		if !c.holds(l) {
			r.deny()
			return
		}
	}
}
