package gateway

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"

	"github.com/google/uuid"

	"github.com/bedlamlab/bedlam/services/cart/cartpb"
	"github.com/bedlamlab/bedlam/services/internal/call"
)

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed pages/shop.css
var style []byte

// page is what every template gets.
type page struct {
	Title    string
	Degraded bool // something is missing on this page, or old
	Body     any
}

// templates holds each page joined to the frame around it. They are compiled
// at the start: a page that does not compile must not be found by a customer.
var templates = compile("home", "products", "product", "cart", "checkout", "order", "refusal")

func compile(names ...string) map[string]*template.Template {
	funcs := template.FuncMap{
		"money": money,
		"key":   uuid.NewString, // one for each form: pressing a button twice is one request
	}
	all := make(map[string]*template.Template, len(names))
	for _, name := range names {
		all[name] = template.Must(template.New("frame.html").Funcs(funcs).ParseFS(pageFiles, "pages/frame.html", "pages/parts.html", "pages/"+name+".html"))
	}
	return all
}

// money writes cents as people do.
func money(cents int64) string { return fmt.Sprintf("€ %d.%02d", cents/100, cents%100) }

// render answers with a page. It is made as a whole before its first byte is
// sent, so that a failure is never half a page.
func (s *shop) render(w http.ResponseWriter, code int, name string, p page) {
	p.Degraded = w.Header().Get(degradedHeader) != ""
	var out bytes.Buffer
	if err := templates[name].Execute(&out, p); err != nil {
		s.log.Error("a page could not be made", "page", name, "error", err)
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(out.Bytes())
}

func (s *shop) homePage(w http.ResponseWriter, r *http.Request) error {
	f, err := s.front(r.Context(), w.Header())
	if err != nil {
		return err
	}
	s.render(w, http.StatusOK, "home", page{Title: "Welcome", Body: f})
	return nil
}

// Next and Before are the addresses of the pages around this one; empty where
// there is none.
func (l listing) Next() string {
	if l.offset+l.limit >= l.Total {
		return ""
	}
	return l.at(l.offset + l.limit)
}

// Before is described at Next.
func (l listing) Before() string {
	if l.offset == 0 {
		return ""
	}
	return l.at(max(0, l.offset-l.limit))
}

func (l listing) at(offset int) string {
	q := url.Values{"offset": {strconv.Itoa(offset)}, "limit": {strconv.Itoa(l.limit)}}
	if l.category != "" {
		q.Set("category", l.category)
	}
	return "/products?" + q.Encode()
}

// Category is the one that is shown; empty: all.
func (l listing) Category() string { return l.category }

func (s *shop) productsPage(w http.ResponseWriter, r *http.Request) error {
	l, err := s.products(r.Context(), w.Header(), r.URL.Query())
	if err != nil {
		return err
	}
	s.render(w, http.StatusOK, "products", page{Title: "All products", Body: l})
	return nil
}

func (s *shop) productPage(w http.ResponseWriter, r *http.Request) error {
	ctx, sku := r.Context(), r.PathValue("sku")
	p, err := s.product(ctx, w.Header(), sku)
	if err != nil {
		return err
	}
	others, err := s.related(ctx, w.Header(), sku)
	if err != nil {
		return err
	}
	s.render(w, http.StatusOK, "product", page{Title: p.Name, Body: struct {
		Product product
		Related []product
	}{p, others}})
	return nil
}

// A shelved line is a line of a cart or an order with what the catalogue says
// of it. Without the catalogue its SKU must do.
type shelved struct {
	line
	Name string
	Sum  int64 // cents; 0: the price is not known
}

// shelve adds names to lines, and prices where the lines have none. A
// catalogue that does not answer makes a poorer page, not a failed one.
func (s *shop) shelve(ctx context.Context, h http.Header, lines []line) (all []shelved, total int64) {
	skus := make([]string, len(lines))
	for i, l := range lines {
		skus[i] = l.SKU
	}
	known, err := s.priced(ctx, h, skus)
	if err != nil {
		call.Fallback(ctx, "catalog")
		degrade(h, "catalog", "skus-only")
	}
	all = make([]shelved, len(lines))
	for i, l := range lines {
		p := known[l.SKU]
		if l.Price == 0 {
			l.Price = p.Price
		}
		all[i] = shelved{line: l, Name: p.Name, Sum: l.Price * int64(l.Quantity)}
		if all[i].Name == "" {
			all[i].Name = l.SKU
		}
		total += all[i].Sum
	}
	return all, total
}

// cartView is what the cart and the checkout page show.
type cartView struct {
	Lines []shelved
	Total int64
}

func (s *shop) viewCart(w http.ResponseWriter, r *http.Request) (cartView, error) {
	c, err := s.cart.Get(r.Context(), &cartpb.GetRequest{Cart: cartOf(w, r)})
	if err != nil {
		return cartView{}, err
	}
	lines, total := s.shelve(r.Context(), w.Header(), showCart(c).Lines)
	return cartView{lines, total}, nil
}

func (s *shop) cartPage(w http.ResponseWriter, r *http.Request) error {
	v, err := s.viewCart(w, r)
	if err != nil {
		return err
	}
	s.render(w, http.StatusOK, "cart", page{Title: "Your cart", Body: v})
	return nil
}

func (s *shop) checkoutPage(w http.ResponseWriter, r *http.Request) error {
	v, err := s.viewCart(w, r)
	if err != nil {
		return err
	}
	s.render(w, http.StatusOK, "checkout", page{Title: "Checkout", Body: v})
	return nil
}

func (s *shop) orderPage(w http.ResponseWriter, r *http.Request) error {
	o, err := s.order(r.Context(), r.PathValue("order"))
	if err != nil {
		return err
	}
	lines, _ := s.shelve(r.Context(), w.Header(), o.Lines)
	s.render(w, http.StatusOK, "order", page{Title: "Your order", Body: struct {
		Order order
		Lines []shelved
	}{o, lines}})
	return nil
}
