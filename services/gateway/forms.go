package gateway

import (
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/bedlamlab/bedlam/services/cart/cartpb"
)

// cartCookie remembers a visitor's cart. Its value is drawn at random, and is
// all that there is to know: whoever has it has the cart.
const cartCookie = "cart"

// cartLife is how long a browser remembers it.
const cartLife = 30 * 24 * time.Hour

// cartOf returns the visitor's cart, and hands a new one out to a new visitor.
func cartOf(w http.ResponseWriter, r *http.Request) string {
	if c, err := r.Cookie(cartCookie); err == nil && plain(cartCookie, c.Value) == nil {
		return c.Value
	}
	id := uuid.NewString()
	http.SetCookie(w, &http.Cookie{
		Name: cartCookie, Value: id, Path: "/", MaxAge: int(cartLife.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: r.TLS != nil, // a shop on the loopback speaks plain HTTP
	})
	return id
}

// formKey is the key that the page put into its form, so that a form that is
// sent twice, by an impatient thumb or a reload, is one request.
func formKey(r *http.Request) (string, error) {
	key := r.PostFormValue("key")
	if err := plain("key", key); err != nil {
		return "", err
	}
	return key, nil
}

func (s *shop) addForm(w http.ResponseWriter, r *http.Request) error {
	key, err := formKey(r)
	if err != nil {
		return err
	}
	quantity, err := strconv.ParseInt(r.PostFormValue("quantity"), 10, 32)
	if err != nil {
		return invalid("quantity is no number")
	}
	it := item{SKU: r.PostFormValue("sku"), Quantity: int32(quantity)}
	if err := it.validate(); err != nil {
		return err
	}
	if _, err := s.cart.Add(r.Context(), &cartpb.AddRequest{Cart: cartOf(w, r), Sku: it.SKU, Quantity: it.Quantity, Key: key}); err != nil {
		return err
	}
	http.Redirect(w, r, "/cart", http.StatusSeeOther)
	return nil
}

func (s *shop) removeForm(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.cart.Remove(r.Context(), &cartpb.RemoveRequest{Cart: cartOf(w, r), Sku: r.PathValue("sku")}); err != nil {
		return err
	}
	http.Redirect(w, r, "/cart", http.StatusSeeOther)
	return nil
}

func (s *shop) checkoutForm(w http.ResponseWriter, r *http.Request) error {
	key, err := formKey(r)
	if err != nil {
		return err
	}
	got, err := s.buy(r.Context(), key, purchase{Cart: cartOf(w, r), Customer: r.PostFormValue("customer"), Card: r.PostFormValue("card")})
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/orders/"+got.Order, http.StatusSeeOther)
	return nil
}
