package gateway_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/bedlamlab/bedlam/services/checkout/checkoutpb"
	"github.com/bedlamlab/bedlam/topology"
)

const item = `{"sku":"P00001","quantity":2}`

const purchase = `{"cart":"c","customer":"Ada","card":"visa"}`

// front is the home page of the API.
type front struct {
	Featured, Recommended []struct {
		SKU   string
		Price int64
	}
}

func home(t *testing.T, a answer) front {
	t.Helper()
	var f front
	if err := json.Unmarshal([]byte(a.body), &f); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	return f
}

func TestHome(t *testing.T) {
	s := open(t, nil, nil)
	t.Run("whole", func(t *testing.T) {
		a := s.get("/api/home")
		f := home(t, a)
		if a.code != 200 || a.header.Get("X-Degraded") != "" || len(f.Featured) != 8 || len(f.Recommended) != 5 || f.Recommended[0].SKU != "P00020" {
			t.Errorf("got %d %q: %s", a.code, a.header.Get("X-Degraded"), a.body)
		}
	})
	t.Run("without recommendations best-sellers stand in, and it says so", func(t *testing.T) {
		s.tell("recommend", failWith(codes.Unavailable))
		defer s.tell("recommend", nil)
		a := s.get("/api/home")
		f := home(t, a)
		if a.code != 200 || a.header.Get("X-Degraded") != "recommend=best-sellers" || len(f.Featured) != 8 {
			t.Errorf("got %d %q: %s", a.code, a.header.Get("X-Degraded"), a.body)
		}
		if len(f.Recommended) != 5 || f.Recommended[0].SKU != "P00009" {
			t.Errorf("got %v, want the best-sellers after the featured ones", f.Recommended)
		}
	})
	t.Run("an old price list is declared", func(t *testing.T) {
		s.stale = true
		defer func() { s.stale = false }()
		if a := s.get("/api/home"); a.header.Get("X-Degraded") != "catalog=stale" {
			t.Errorf("got %q", a.header.Get("X-Degraded"))
		}
	})
	t.Run("without a catalogue there is none", func(t *testing.T) {
		s.tell("catalog", failWith(codes.Unavailable))
		defer s.tell("catalog", nil)
		if a := s.get("/api/home"); a.code != 503 || a.header.Get("Retry-After") == "" {
			t.Errorf("got %d, Retry-After %q, want 503 with it", a.code, a.header.Get("Retry-After"))
		}
	})
}

func TestHomeAsksConcurrently(t *testing.T) {
	s := open(t, nil, nil)
	both := make(chan struct{}, 2)
	release := make(chan struct{})
	meet := func(context.Context) error { both <- struct{}{}; <-release; return nil }
	s.tell("catalog", meet)
	s.tell("recommend", meet)
	done := make(chan answer)
	go func() { done <- s.get("/api/home") }()
	<-both
	<-both // if one waited for the other, this would never come
	close(release)
	<-done
}

func TestRecommendations(t *testing.T) {
	s := open(t, nil, nil)
	for _, c := range []struct {
		why      string
		down     []string
		degraded string
		first    string
	}{
		{"all well", nil, "", "P00020"},
		{"no recommendations", []string{"recommend"}, "recommend=best-sellers", "P00002"},
		{"no catalogue either", []string{"recommend", "catalog"}, "recommend=static", "P00001"},
	} {
		t.Run(c.why, func(t *testing.T) {
			for _, d := range c.down {
				s.tell(d, failWith(codes.Unavailable))
				defer s.tell(d, nil)
			}
			a := s.get("/api/recommendations?sku=P00001")
			var got struct{ Products []struct{ SKU string } }
			if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.code != 200 || len(got.Products) != 5 {
				t.Fatalf("got %d %s (%v), want five", a.code, a.body, err)
			}
			if a.header.Get("X-Degraded") != c.degraded || got.Products[0].SKU != c.first {
				t.Errorf("got %q and %s first, want %q and %s", a.header.Get("X-Degraded"), got.Products[0].SKU, c.degraded, c.first)
			}
		})
	}
}

// TestStatuses holds the answers to a read and to a write against each status.
func TestStatuses(t *testing.T) {
	s := open(t, nil, nil)
	for _, c := range []struct {
		code                 codes.Code
		want                 int
		retryRead, retryPost bool // Retry-After
	}{
		{codes.Unavailable, 503, true, false},
		{codes.Aborted, 503, true, false},
		{codes.DeadlineExceeded, 504, false, false},
		{codes.NotFound, 404, false, false},
		{codes.FailedPrecondition, 409, false, false},
		{codes.InvalidArgument, 400, false, false},
		{codes.ResourceExhausted, 429, true, false},
		{codes.Internal, 500, false, false},
		{codes.Unknown, 500, false, false},
	} {
		t.Run(c.code.String(), func(t *testing.T) {
			for _, service := range []string{"catalog", "cart", "checkout"} {
				s.tell(service, failWith(c.code))
				defer s.tell(service, nil)
			}
			read := s.get("/api/products/P00001")
			add := s.ask("POST", "/api/carts/c/items", item, "Idempotency-Key", "k")
			buy := s.ask("POST", "/api/checkout", purchase, "Idempotency-Key", "k")
			for _, a := range []answer{read, add, buy} {
				var b struct{ Error, Message string }
				if err := json.Unmarshal([]byte(a.body), &b); err != nil || a.code != c.want || b.Error == "" || b.Message == "" {
					t.Errorf("got %d %s, want %d with a code and a message", a.code, a.body, c.want)
				}
			}
			if got := read.header.Get("Retry-After") != ""; got != c.retryRead {
				t.Errorf("a read: Retry-After %t, want %t", got, c.retryRead)
			}
			if got := add.header.Get("Retry-After") != "" || buy.header.Get("Retry-After") != ""; got != c.retryPost {
				t.Errorf("a write that was sent may have happened: Retry-After %t, want %t", got, c.retryPost)
			}
		})
	}
}

func TestAnOpenBreakerIsACleanRefusal(t *testing.T) {
	s := open(t, map[string]topology.Policy{"cart": {Breaker: &topology.Breaker{
		Window: topology.Duration(time.Minute), Requests: 1, Ratio: 0.5, Open: topology.Duration(time.Hour), Probes: 1}}}, nil)
	s.tell("cart", failWith(codes.Unavailable))
	add := func() answer { return s.ask("POST", "/api/carts/c/items", item, "Idempotency-Key", "k") }
	if a := add(); a.code != 503 || a.header.Get("Retry-After") != "" {
		t.Errorf("the one that was sent: got %d, Retry-After %q", a.code, a.header.Get("Retry-After"))
	}
	if a := add(); a.code != 503 || a.header.Get("Retry-After") == "" || s.asked("cart") != 1 {
		t.Errorf("the one that was not: got %d, Retry-After %q after %d calls", a.code, a.header.Get("Retry-After"), s.asked("cart"))
	}
}

func TestDeadline(t *testing.T) {
	s := open(t, nil, nil)
	s.tell("catalog", hang)
	if a := s.get("/api/products/P00001"); a.code != http.StatusGatewayTimeout {
		t.Errorf("got %d, want 504", a.code)
	}
}

func TestCart(t *testing.T) {
	s := open(t, nil, nil)
	const held = `{"cart":"c","lines":[{"sku":"P00001","quantity":2}]}`
	for range 2 { // the second is the same request again
		if a := s.ask("POST", "/api/carts/c/items", item, "Idempotency-Key", "k1"); a.code != 200 || strings.TrimSpace(a.body) != held {
			t.Errorf("got %d %s, want 200 %s", a.code, a.body, held)
		}
	}
	if a := s.get("/api/carts/c"); a.code != 200 || strings.TrimSpace(a.body) != held {
		t.Errorf("read back: got %d %s, want %s", a.code, a.body, held)
	}
	const empty = `{"cart":"c","lines":[]}`
	if a := s.ask("DELETE", "/api/carts/c/items/P00001", ""); a.code != 200 || strings.TrimSpace(a.body) != empty {
		t.Errorf("removed: got %d %s, want %s", a.code, a.body, empty)
	}
}

func TestWrongRequests(t *testing.T) {
	s := open(t, nil, nil)
	key := []string{"Idempotency-Key", "k"}
	for _, c := range []struct {
		why, method, path, body string
		headers                 []string
		want                    int
	}{
		{"an add without a key", "POST", "/api/carts/c/items", item, nil, 400},
		{"a checkout without a key", "POST", "/api/checkout", purchase, nil, 400},
		{"a key that is too long", "POST", "/api/carts/c/items", item, []string{"Idempotency-Key", strings.Repeat("k", 201)}, 400},
		{"no JSON", "POST", "/api/carts/c/items", "sku=P00001", key, 400},
		{"two values", "POST", "/api/carts/c/items", item + item, key, 400},
		{"nothing of it", "POST", "/api/carts/c/items", `{"sku":"P00001","quantity":0}`, key, 400},
		{"too much of it", "POST", "/api/carts/c/items", `{"sku":"P00001","quantity":100}`, key, 400},
		{"half of one", "POST", "/api/carts/c/items", `{"sku":"P00001","quantity":0.5}`, key, 400},
		{"no product", "POST", "/api/carts/c/items", `{"quantity":1}`, key, 400},
		{"no card", "POST", "/api/checkout", `{"cart":"c","customer":"Ada"}`, key, 400},
		{"a body without end", "POST", "/api/checkout", `{"cart":"` + strings.Repeat("c", 20000) + `"}`, key, 413},
		{"a page of nothing", "GET", "/api/products?limit=0", "", nil, 400},
		{"a page too large", "GET", "/api/products?limit=101", "", nil, 400},
		{"a page before the first", "GET", "/api/products?offset=-1", "", nil, 400},
		{"a page that is no number", "GET", "/api/products?offset=x", "", nil, 400},
		{"an unknown product", "GET", "/api/products/nothing", "", nil, 404},
		{"an unknown order", "GET", "/api/orders/nothing", "", nil, 404},
		{"an unknown path", "GET", "/api/nothing", "", nil, 404},
	} {
		t.Run(c.why, func(t *testing.T) {
			a := s.ask(c.method, c.path, c.body, c.headers...)
			if a.code != c.want || !strings.Contains(a.body, `"error":`) {
				t.Errorf("got %d %s, want %d", a.code, a.body, c.want)
			}
		})
	}
}

func TestCheckout(t *testing.T) {
	s := open(t, nil, nil)
	s.ask("POST", "/api/carts/c/items", item, "Idempotency-Key", "k1")
	for _, c := range []struct {
		why    string
		placed *checkoutpb.Placed
		want   int
		body   string // begins with
		retry  bool
	}{
		{"paid", nil, 201, `{"order":"o-k2","state":"PAID","total":200}`, false},
		{"pending", &checkoutpb.Placed{Order: "o", State: "PENDING"}, 202, `{"order":"o","state":"PENDING"`, false},
		{"sold out", &checkoutpb.Placed{Order: "o", State: "CANCELLED", Reason: "sold_out"}, 409, `{"error":"sold_out"`, false},
		{"declined", &checkoutpb.Placed{Order: "o", State: "CANCELLED", Reason: "declined"}, 402, `{"error":"declined"`, false},
		{"empty", &checkoutpb.Placed{State: "CANCELLED", Reason: "empty_cart"}, 409, `{"error":"empty_cart"`, false},
		{"given up and undone", &checkoutpb.Placed{Order: "o", State: "CANCELLED", Reason: "timeout"}, 503, `{"error":"timeout"`, true},
		{"for a reason not known here", &checkoutpb.Placed{Order: "o", State: "CANCELLED", Reason: "moon"}, 409, `{"error":"refused"`, false},
	} {
		t.Run(c.why, func(t *testing.T) {
			s.mu.Lock()
			s.placed = c.placed
			s.mu.Unlock()
			a := s.ask("POST", "/api/checkout", purchase, "Idempotency-Key", "k2")
			if a.code != c.want || !strings.HasPrefix(a.body, c.body) {
				t.Errorf("got %d %s, want %d %s", a.code, a.body, c.want, c.body)
			}
			if got := a.header.Get("Retry-After") != ""; got != c.retry {
				t.Errorf("Retry-After %t, want %t", got, c.retry)
			}
		})
	}
	const order = `{"order":"o-k2","state":"PAID","total":200,"lines":[{"sku":"P00001","quantity":2,"price":100}]}`
	if a := s.get("/api/orders/o-k2"); a.code != 200 || strings.TrimSpace(a.body) != order {
		t.Errorf("read back: got %d %s, want %s", a.code, a.body, order)
	}
}
