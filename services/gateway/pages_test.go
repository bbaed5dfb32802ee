package gateway_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/bedlamlab/bedlam/services/checkout/checkoutpb"
)

const formType = "application/x-www-form-urlencoded"

var keyField = regexp.MustCompile(`name="key" value="([^"]+)"`)

func (s *site) submit(path string, fields url.Values) answer {
	return s.ask("POST", path, fields.Encode(), "Content-Type", formType)
}

// TestAVisit buys something with nothing but pages and forms.
func TestAVisit(t *testing.T) {
	s := open(t, nil, nil)
	see := func(a answer, code int, words ...string) answer {
		t.Helper()
		if a.code != code {
			t.Fatalf("%s: got %d, want %d\n%s", a.path, a.code, code, a.body)
		}
		for _, w := range words {
			if !strings.Contains(a.body, w) {
				t.Errorf("%s: %q is not on the page\n%s", a.path, w, a.body)
			}
		}
		return a
	}
	key := func(a answer) string {
		t.Helper()
		found := keyField.FindStringSubmatch(a.body)
		if found == nil {
			t.Fatalf("%s: a form without a key", a.path)
		}
		return found[1]
	}
	see(s.get("/"), 200, `href="/products/P00001"`, `href="/products/P00020"`, "€ 1.00")
	see(s.get("/products?limit=10"), 200, `href="/products/P00010"`, "offset=10")
	see(s.get("/products?offset=20&limit=10"), 200, `href="/products/P00030"`, "offset=10")
	see(s.get("/cart"), 200, "nothing in it yet")
	product := see(s.get("/products/P00003"), 200, "€ 3.00", `href="/products/P00020"`)
	add := url.Values{"sku": {"P00003"}, "quantity": {"2"}, "key": {key(product)}}
	for range 2 { // an impatient thumb
		a := see(s.submit("/cart/items", add), 200, "€ 6.00")
		if a.path != "/cart" {
			t.Errorf("an add leads to %s, want /cart", a.path)
		}
	}
	pay := see(s.get("/checkout"), 200, "€ 6.00")
	order := see(s.submit("/checkout", url.Values{"customer": {"Ada"}, "card": {"visa"}, "key": {key(pay)}}), 200, "Paid")
	if !strings.HasPrefix(order.path, "/orders/o-") {
		t.Errorf("a checkout leads to %s, want the order", order.path)
	}
	see(s.submit("/cart/items/P00003/remove", nil), 200, "nothing in it yet")
	see(s.get("/nowhere"), 404, "Sorry")
}

func TestRefusalsAreSaidOnAPage(t *testing.T) {
	s := open(t, nil, nil)
	s.placed = &checkoutpb.Placed{Order: "o-7", State: "CANCELLED", Reason: "declined"}
	a := s.submit("/checkout", url.Values{"customer": {"Ada"}, "card": {"declined-test"}, "key": {"k"}})
	if a.code != 402 || !strings.Contains(a.body, "the card was declined") || !strings.Contains(a.body, "/orders/o-7") {
		t.Errorf("got %d %s", a.code, a.body)
	}
	for _, fields := range []url.Values{{"sku": {"P00001"}, "quantity": {"1"}}, {"sku": {"P00001"}, "quantity": {"many"}, "key": {"k"}}} {
		if a := s.submit("/cart/items", fields); a.code != 400 {
			t.Errorf("%v: got %d, want 400", fields, a.code)
		}
	}
}

func TestPoorPages(t *testing.T) {
	s := open(t, nil, nil)
	key := []string{"Idempotency-Key", "k"}
	s.ask("POST", "/api/carts/c/items", item, key...)
	s.ask("POST", "/api/checkout", purchase, key...)
	s.tell("catalog", failWith(codes.Unavailable))
	a := s.get("/orders/o-k")
	if a.code != 200 || a.header.Get("X-Degraded") != "catalog=skus-only" || !strings.Contains(a.body, "P00001") || !strings.Contains(a.body, "missing or not quite up to date") {
		t.Errorf("an order without the catalogue: got %d %q\n%s", a.code, a.header.Get("X-Degraded"), a.body)
	}
	if a := s.get("/"); a.code != 503 || !strings.Contains(a.body, "Sorry") {
		t.Errorf("home without the catalogue: got %d", a.code)
	}
}

func TestPagesAreSafe(t *testing.T) {
	s := open(t, nil, nil)
	s.named = `<script>alert(1)</script>`
	a := s.get("/products/P00001")
	if strings.Contains(a.body, "<script") || !strings.Contains(a.body, "&lt;script&gt;") {
		t.Error("a product's name gets onto the page as it is")
	}
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'none'",
		"X-Frame-Options":         "DENY",
		"X-Content-Type-Options":  "nosniff",
		"Referrer-Policy":         "same-origin",
	} {
		if !strings.HasPrefix(a.header.Get(name), want) {
			t.Errorf("%s: got %q, want %q", name, a.header.Get(name), want)
		}
	}
	forged := s.ask("POST", "/cart/items", "sku=P00001&quantity=1&key=k", "Content-Type", formType,
		"Origin", "https://elsewhere.example", "Sec-Fetch-Site", "cross-site")
	if forged.code != 403 || s.asked("cart") != 0 {
		t.Errorf("a form of another site: got %d after %d calls, want 403 after none", forged.code, s.asked("cart"))
	}
	home := s.get("/cart")
	if !strings.Contains(home.header.Get("Set-Cookie"), "HttpOnly") || !strings.Contains(home.header.Get("Set-Cookie"), "SameSite=Lax") {
		t.Errorf("the cart's cookie is %q", home.header.Get("Set-Cookie"))
	}
}
