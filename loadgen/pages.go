package loadgen

import (
	"encoding/json"

	"github.com/bedlamlab/bedlam/loadgen/internal/http1"
)

// An action is how a customer asks for a class of request and what the answer
// must mean to be true.
type action struct {
	path func(dst []byte, s *shopper, st Step) []byte
	body func(dst []byte, s *shopper, st Step) []byte // nil: a GET
	// check looks at a success: it fills in what the answer said and denies
	// what cannot be so.
	check func(s *shopper, st Step, a *http1.Answer, r *Request)
}

var actions = map[string]*action{
	ClassHome:     {path: homePath, check: checkHome},
	ClassProduct:  {path: productPath, check: checkProduct},
	ClassCartAdd:  {path: addPath, body: addBody, check: checkAdd},
	ClassCartRead: {path: cartPath, check: checkCart},
	ClassCheckout: {path: checkoutPath, body: checkoutBody, check: checkCheckout},
	ClassOrder:    {path: orderPath, check: checkOrder},
}

// A product is what a page says of one.
type product struct {
	SKU   string `json:"sku"`
	Price int64  `json:"price"` // cents
}

func homePath(dst []byte, _ *shopper, _ Step) []byte { return append(dst, "/api/home"...) }

// checkHome wants something to look at; a page that says that it is degraded
// may have left it out.
func checkHome(_ *shopper, _ Step, a *http1.Answer, r *Request) {
	var home struct {
		Featured []product `json:"featured"`
	}
	if json.Unmarshal(a.Body, &home) != nil || len(home.Featured) == 0 && r.Outcome != Degraded {
		r.deny()
		return
	}
	for _, p := range home.Featured {
		if p.SKU == "" || p.Price <= 0 {
			r.deny()
			return
		}
	}
}

func productPath(dst []byte, _ *shopper, st Step) []byte {
	return append(append(dst, "/api/products/"...), st.SKU...)
}

// checkProduct wants the product that was asked for, at a price.
func checkProduct(_ *shopper, st Step, a *http1.Answer, r *Request) {
	var p product
	if json.Unmarshal(a.Body, &p) != nil || p.SKU != st.SKU || p.Price <= 0 {
		r.deny()
	}
}
