package loadgen

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/bedlamlab/bedlam/loadgen/internal/http1"
)

// Doses are the poisons: requests that any client may send, and that no
// customer needs.
var Doses = []string{"body", "nested", "page", "quantity", "query"}

const (
	// largeBody is four times what a shop that bounds its bodies at 16 KiB
	// reads of one.
	largeBody = 64 << 10
	// deepBody is how deep a body is nested: ten thousand levels are the most
	// that encoding/json takes, and fit into 16 KiB if each is one byte.
	deepBody = 15_000
	// longQuery leaves a request's head just below 16 KiB.
	longQuery = 12 << 10
)

// doses are how each is asked for. None of them is answered with anything that
// a customer would check: see [Request.heal].
var doses = map[string]*action{
	"quantity": {path: addPath, body: addBody},
	"page": {path: func(dst []byte, _ *shopper, _ Step) []byte {
		return fmt.Appendf(dst, "/api/products?offset=%d&limit=100", math.MaxInt32)
	}},
	"query": {path: func(dst []byte, _ *shopper, _ Step) []byte {
		return append(append(dst, "/api/products?category="...), strings.Repeat("a", longQuery)...)
	}},
	"body": {path: addPath, body: func(dst []byte, _ *shopper, st Step) []byte {
		dst = append(append(dst, `{"sku":"`...), strings.Repeat("a", largeBody)...)
		return append(dst, `","quantity":1}`...)
	}},
	"nested": {path: addPath, body: func(dst []byte, _ *shopper, _ Step) []byte {
		return append(append(dst, `{"sku":`...), strings.Repeat("[", deepBody)...)
	}},
}

// poison takes one dose; without a name, each journey another one.
func (d *draft) poison(dose string, journey uint64) {
	if dose == "" {
		dose = Doses[journey%uint64(len(Doses))]
	}
	d.s.Kind = Poison
	d.ask(Step{Class: ClassPoison, SKU: d.product(), Qty: math.MaxInt32, act: antidote(doses[dose])})
}

// antidote is a dose whose answer is good whatever it says.
func antidote(a *action) *action {
	return &action{path: a.path, body: a.body, check: func(*shopper, Step, *http1.Answer, *Request) {}}
}

// heal takes the shop's refusal of a poison for the honest answer that it is.
func (r *Request) heal() {
	if r.Class == ClassPoison && r.Status >= 400 && r.Status < 500 && r.Reason != "shed" {
		r.Outcome, r.Reason = OK, "refused_"+strconv.Itoa(r.Status)
	}
}
