package gateway

import (
	"context"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/bedlamlab/bedlam/services/internal/call"
)

const (
	// readLimit is the deadline of everything but a checkout: who waits
	// longer than a second for a page has gone elsewhere.
	readLimit = time.Second
	// checkoutLimit lets a checkout have its 2.2 s and say how it ended,
	// within the 3 s after which a customer gives up.
	checkoutLimit = 2500 * time.Millisecond
	// bodyLimit is sixteen times the largest request of the API.
	bodyLimit = 16 << 10
)

// A route is one thing that can be asked for.
type route struct {
	method, path string
	class        class
	limit        time.Duration
	page         bool // answers in HTML, also when it fails
	writes       bool // may have changed something when it fails
	do           func(s *shop, w http.ResponseWriter, r *http.Request) error
}

// routes is everything that the gateway answers, beside the health paths.
// openapi.yaml describes each of them, and a test compares the two.
var routes = []route{
	{method: "GET", path: "/api/home", class: browsing, limit: readLimit, do: (*shop).apiHome},
	{method: "GET", path: "/api/products", class: browsing, limit: readLimit, do: (*shop).apiProducts},
	{method: "GET", path: "/api/products/{sku}", class: browsing, limit: readLimit, do: (*shop).apiProduct},
	{method: "GET", path: "/api/recommendations", class: browsing, limit: readLimit, do: (*shop).apiRecommendations},
	{method: "GET", path: "/api/carts/{cart}", class: buying, limit: readLimit, do: (*shop).apiCart},
	{method: "POST", path: "/api/carts/{cart}/items", class: buying, limit: readLimit, writes: true, do: (*shop).apiAdd},
	{method: "DELETE", path: "/api/carts/{cart}/items/{sku}", class: buying, limit: readLimit, writes: true, do: (*shop).apiRemove},
	{method: "POST", path: "/api/checkout", class: buying, limit: checkoutLimit, writes: true, do: (*shop).apiCheckout},
	{method: "GET", path: "/api/orders/{order}", class: buying, limit: readLimit, do: (*shop).apiOrder},

	{method: "GET", path: "/{$}", class: browsing, limit: readLimit, page: true, do: (*shop).homePage},
	{method: "GET", path: "/products", class: browsing, limit: readLimit, page: true, do: (*shop).productsPage},
	{method: "GET", path: "/products/{sku}", class: browsing, limit: readLimit, page: true, do: (*shop).productPage},
	{method: "GET", path: "/cart", class: buying, limit: readLimit, page: true, do: (*shop).cartPage},
	{method: "POST", path: "/cart/items", class: buying, limit: readLimit, page: true, writes: true, do: (*shop).addForm},
	{method: "POST", path: "/cart/items/{sku}/remove", class: buying, limit: readLimit, page: true, writes: true, do: (*shop).removeForm},
	{method: "GET", path: "/checkout", class: buying, limit: readLimit, page: true, do: (*shop).checkoutPage},
	{method: "POST", path: "/checkout", class: buying, limit: checkoutLimit, page: true, writes: true, do: (*shop).checkoutForm},
	{method: "GET", path: "/orders/{order}", class: buying, limit: readLimit, page: true, do: (*shop).orderPage},
}

// handler joins the routes up. Requests that a browser sends on behalf of
// another site are refused where they would change something.
func (s *shop) handler() http.Handler {
	mux := http.NewServeMux()
	for _, rt := range routes {
		mux.Handle(rt.method+" "+rt.path, s.admit(rt))
	}
	mux.HandleFunc("GET /openapi.yaml", serveSpec)
	mux.HandleFunc("GET /static/shop.css", serveStyle)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, route{page: !strings.HasPrefix(r.URL.Path, "/api/")}, refusal{status: http.StatusNotFound, Code: "not_found", Message: "there is nothing here"})
	})
	return http.NewCrossOriginProtection().Handler(mux)
}

// admit takes a request through the gate, within its deadline.
func (s *shop) admit(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header(), rt.page)
		ctx, cancel := context.WithTimeout(r.Context(), rt.limit)
		defer cancel()
		call.NoteDeadline(ctx, "request.deadline_ms")
		c := rt.class
		if strings.HasPrefix(r.Header.Get("Sec-Purpose"), "prefetch") {
			c = prefetching
		}
		if err := s.enter(ctx, c, rt.limit); err != nil {
			s.fail(w, r, rt, err)
			return
		}
		defer s.gate.leave()
		r = r.WithContext(ctx)
		r.Body = http.MaxBytesReader(w, r.Body, bodyLimit)
		if err := rt.do(s, w, r); err != nil {
			s.fail(w, r, rt, err)
		}
	})
}

// enter waits at the gate for at most half of the request's time: the other
// half is what the work itself needs.
func (s *shop) enter(ctx context.Context, c class, limit time.Duration) error {
	span := trace.SpanFromContext(ctx)
	wait, cancel := context.WithTimeout(ctx, limit/2)
	defer cancel()
	begun := time.Now()
	err := s.gate.enter(wait, c)
	span.SetAttributes(attribute.String("gate.class", c.String()), attribute.Float64("gate.wait_ms", float64(time.Since(begun).Microseconds())/1000))
	if err != nil {
		span.SetAttributes(attribute.Bool("gate.shed", true))
		s.shed.Add(ctx, 1, metric.WithAttributes(attribute.String("class", c.String())))
	}
	return err
}

// secure sets what a browser should know about every answer. Pages run no
// scripts and load nothing from elsewhere.
func secure(h http.Header, page bool) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if page {
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
	}
}
