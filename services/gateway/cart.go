package gateway

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/bedlamlab/bedlam/services/cart/cartpb"
)

// keyHeader carries the key by which a repeated request is known.
const keyHeader = "Idempotency-Key"

// maxText bounds keys and names: an UUID has 36 characters, and namespaces
// before it need some more.
const maxText = 200

// A line is one product of a cart or an order.
type line struct {
	SKU      string `json:"sku"`
	Quantity int32  `json:"quantity"`
	Price    int64  `json:"price,omitempty"` // cents, of one; in orders
}

// A contents is a cart as the API shows it.
type contents struct {
	Cart  string `json:"cart"`
	Lines []line `json:"lines"`
}

func showCart(c *cartpb.Contents) contents {
	all := contents{Cart: c.GetCart(), Lines: make([]line, len(c.GetLines()))}
	for i, l := range c.GetLines() {
		all.Lines[i] = line{SKU: l.GetSku(), Quantity: l.GetQuantity()}
	}
	return all
}

// An item is the body of an add.
type item struct {
	SKU      string `json:"sku"`
	Quantity int32  `json:"quantity"`
}

func (s *shop) apiCart(w http.ResponseWriter, r *http.Request) error {
	c, err := s.cart.Get(r.Context(), &cartpb.GetRequest{Cart: r.PathValue("cart")})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, showCart(c))
	return nil
}

func (s *shop) apiAdd(w http.ResponseWriter, r *http.Request) error {
	key, err := keyOf(r)
	if err != nil {
		return err
	}
	var it item
	if err := read(r.Body, &it); err != nil {
		return err
	}
	if err := it.validate(); err != nil {
		return err
	}
	c, err := s.cart.Add(r.Context(), &cartpb.AddRequest{Cart: r.PathValue("cart"), Sku: it.SKU, Quantity: it.Quantity, Key: key})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, showCart(c))
	return nil
}

func (s *shop) apiRemove(w http.ResponseWriter, r *http.Request) error {
	c, err := s.cart.Remove(r.Context(), &cartpb.RemoveRequest{Cart: r.PathValue("cart"), Sku: r.PathValue("sku")})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, showCart(c))
	return nil
}

func (it item) validate() error {
	switch {
	case it.SKU == "" || len(it.SKU) > maxText:
		return invalid("sku is missing or too long")
	case it.Quantity < 1 || it.Quantity > 99:
		return invalid("quantity is " + strconv.Itoa(int(it.Quantity)) + ", want 1 to 99")
	}
	return nil
}

// keyOf returns the request's idempotency key, which every POST must have.
func keyOf(r *http.Request) (string, error) {
	key := r.Header.Get(keyHeader)
	if key == "" {
		return "", invalid("the header " + keyHeader + " is missing: without it a repeated request could not be told from a second one")
	}
	if err := plain(keyHeader, key); err != nil {
		return "", err
	}
	return key, nil
}

// plain wants text of printable ASCII and of bounded length.
func plain(what, text string) error {
	if text == "" || len(text) > maxText {
		return invalid(what + ": want 1 to " + strconv.Itoa(maxText) + " characters")
	}
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' {
			return invalid(what + ": want printable ASCII")
		}
	}
	return nil
}

// read reads one JSON value into to, and nothing after it.
func read(body io.Reader, to any) error {
	d := json.NewDecoder(body)
	if err := d.Decode(to); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return refusal{status: http.StatusRequestEntityTooLarge, Code: "too_large", Message: "the body is too large"}
		}
		return invalid("the body is not the JSON that is wanted: " + err.Error())
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return invalid("the body goes on after its JSON value")
	}
	return nil
}
