package gateway

import (
	"context"
	"net/http"

	"github.com/bedlamlab/bedlam/services/checkout/checkoutpb"
	"github.com/bedlamlab/bedlam/services/orders/orderspb"
)

// A purchase is the body of a checkout.
type purchase struct {
	Cart     string `json:"cart"`
	Customer string `json:"customer"`
	Card     string `json:"card"` // a token, never a number
}

func (p purchase) validate() error {
	for name, text := range map[string]string{"cart": p.Cart, "card": p.Card} {
		if err := plain(name, text); err != nil {
			return err
		}
	}
	if p.Customer == "" || len(p.Customer) > maxText {
		return invalid("customer is missing or too long")
	}
	return nil
}

// A receipt is the answer to a checkout.
type receipt struct {
	Order string `json:"order"`
	State string `json:"state"`
	Total int64  `json:"total"` // cents
}

// The states of an order.
const (
	statePending   = "PENDING"
	statePaid      = "PAID"
	stateCancelled = "CANCELLED"
)

// declines says what a cancelled checkout answers. All of them are final for
// their key, and nothing of them is left behind.
var declines = map[string]refusal{
	"sold_out":   {status: http.StatusConflict, Code: "sold_out", Message: "something in the cart is sold out"},
	"empty_cart": {status: http.StatusConflict, Code: "empty_cart", Message: "there is nothing in the cart"},
	"declined":   {status: http.StatusPaymentRequired, Code: "declined", Message: "the card was declined"},
	// Not the customer's doing, and undone: a new try, with a new key, may succeed.
	"timeout": {status: http.StatusServiceUnavailable, retry: true, Code: "timeout", Message: "it took too long and was undone, nothing was charged"},
}

// buy places an order, or finds the one that the key has already placed.
func (s *shop) buy(ctx context.Context, key string, p purchase) (receipt, error) {
	if err := p.validate(); err != nil {
		return receipt{}, err
	}
	placed, err := s.checkout.Place(ctx, &checkoutpb.PlaceRequest{Key: key, Cart: p.Cart, Customer: p.Customer, Card: p.Card})
	if err != nil {
		return receipt{}, err
	}
	if placed.GetState() == stateCancelled {
		no, ok := declines[placed.GetReason()]
		if !ok {
			no = refusal{status: http.StatusConflict, Code: "refused", Message: "the order was cancelled: " + placed.GetReason()}
		}
		no.Order, no.State = placed.GetOrder(), placed.GetState()
		return receipt{}, no
	}
	return receipt{Order: placed.GetOrder(), State: placed.GetState(), Total: placed.GetTotal()}, nil
}

func (s *shop) apiCheckout(w http.ResponseWriter, r *http.Request) error {
	key, err := keyOf(r)
	if err != nil {
		return err
	}
	var p purchase
	if err := read(r.Body, &p); err != nil {
		return err
	}
	got, err := s.buy(r.Context(), key, p)
	if err != nil {
		return err
	}
	code := http.StatusCreated
	if got.State == statePending {
		code = http.StatusAccepted
	}
	w.Header().Set("Location", "/api/orders/"+got.Order)
	writeJSON(w, code, got)
	return nil
}

// An order as the API shows it.
type order struct {
	Order  string `json:"order"`
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
	Total  int64  `json:"total"` // cents
	Lines  []line `json:"lines"`
}

func (s *shop) order(ctx context.Context, id string) (order, error) {
	o, err := s.orders.Get(ctx, &orderspb.GetRequest{Order: id})
	if err != nil {
		return order{}, err
	}
	all := order{Order: o.GetOrder(), State: o.GetState(), Reason: o.GetReason(), Total: o.GetTotal(), Lines: make([]line, len(o.GetLines()))}
	for i, l := range o.GetLines() {
		all.Lines[i] = line{SKU: l.GetSku(), Quantity: l.GetQuantity(), Price: l.GetPrice()}
	}
	return all, nil
}

func (s *shop) apiOrder(w http.ResponseWriter, r *http.Request) error {
	o, err := s.order(r.Context(), r.PathValue("order"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, o)
	return nil
}
