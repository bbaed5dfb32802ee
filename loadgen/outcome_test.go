package loadgen_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/loadgen"
)

// rule answers requests whose method and path begin so.
type rule struct {
	route   string // "GET /api/home"
	status  int    // 0: hang until the customer gives up
	body    string
	field   string // a header, "Name: value"
	outcome loadgen.Outcome
	reason  string
}

// Every kind of answer, for a read and for a write: what the status says.
func TestOutcomes(t *testing.T) {
	const home, add = "GET /api/home", "POST /api/carts"
	class := map[string]string{home: loadgen.ClassHome, add: loadgen.ClassCartAdd}
	for _, c := range []rule{
		{home, 503, "", "Retry-After: 1", loadgen.Failed, "shed"},
		{add, 503, "", "Retry-After: 1", loadgen.Failed, "shed"},
		{add, 429, "", "Retry-After: 1", loadgen.Failed, "shed"},
		{add, 429, `{"error":"overloaded"}`, "", loadgen.Unknown, "overloaded"},
		{home, 429, `{"error":"overloaded"}`, "", loadgen.Failed, "overloaded"},
		{home, 503, "", "", loadgen.Failed, "http_503"},
		{add, 503, "", "", loadgen.Unknown, "http_503"},
		{home, 500, "", "", loadgen.Failed, "http_500"},
		{add, 500, "", "", loadgen.Unknown, "http_500"},
		{add, 502, "", "", loadgen.Unknown, "http_502"},
		{add, 504, `{"error":"deadline"}`, "", loadgen.Unknown, "http_504"},
		{home, 504, "", "", loadgen.Failed, "http_504"},
		{home, 0, "", "", loadgen.Failed, "timeout"},
		{add, 0, "", "", loadgen.Unknown, "timeout"},
		{add, 400, `{"error":"bad_quantity"}`, "", loadgen.Failed, "bad_quantity"},
		{add, 400, `{"error":"Strange\ncode"}`, "", loadgen.Failed, "http_400"},
		{add, 409, `{"error":"conflict"}`, "", loadgen.Failed, "conflict"},
		{home, 404, "no JSON", "", loadgen.Failed, "http_404"},
		{home, 302, "", "Location: /", loadgen.Failed, "http_302"},
		{home, 200, `{"featured":[{"sku":"P1","price":5}]}`, "X-Degraded: recommend=best-sellers", loadgen.Degraded, "recommend=best-sellers"},
		{home, 200, `{"featured":[{"sku":"P1","price":5}]}`, "X-Degraded: (odd)", loadgen.Degraded, "degraded"},
		{home, 200, `{"featured":[]}`, "X-Degraded: catalog=none", loadgen.Degraded, "catalog=none"},
		// untrue in meaning
		{home, 200, `{"featured":[]}`, "", loadgen.Failed, "untrue"},
		{home, 200, `{"featured":[{"sku":"P1","price":0}]}`, "", loadgen.Failed, "untrue"},
		{home, 200, `<html>`, "", loadgen.Failed, "untrue"},
		{home, 204, ``, "", loadgen.Failed, "untrue"},
		{add, 200, `{"lines":[]}`, "", loadgen.Failed, "untrue"},
		{add, 200, `{"lines":[{"sku":"other","quantity":9}]}`, "", loadgen.Failed, "untrue"},
		{"GET /api/products/", 200, `{"sku":"other","price":5}`, "", loadgen.Failed, "untrue"},
		{"GET /api/products/", 200, `{"price":5}`, "", loadgen.Failed, "untrue"},
		{"GET /api/carts", 200, `{"lines":[]}`, "", loadgen.Failed, "untrue"},
		{"GET /api/carts", 200, `{"lines":[]}`, "X-Degraded: cart=unread", loadgen.Degraded, "cart=unread"},
	} {
		name := strings.Join([]string{c.route, http.StatusText(c.status), c.field, c.body}, " ")
		t.Run(name, func(t *testing.T) {
			want := class[c.route]
			if want == "" {
				want = map[string]string{"GET /api/products/": loadgen.ClassProduct, "GET /api/carts": loadgen.ClassCartRead}[c.route]
			}
			rows := ruled(t, c)
			n := 0
			for _, r := range rows {
				if r.Class != want {
					continue
				}
				n++
				if r.Outcome != c.outcome || r.Reason != c.reason || r.Status != c.status {
					t.Fatalf("got %v %q status %d, want %v %q", r.Outcome, r.Reason, r.Status, c.outcome, c.reason)
				}
				if r.Bytes != int64(len(c.body)) {
					t.Fatalf("%d bytes, want %d", r.Bytes, len(c.body))
				}
			}
			if n == 0 {
				t.Fatal("no such request")
			}
		})
	}
}

// ruled runs the load for 3 s against a shop in which the rule holds.
func ruled(t *testing.T, rules ...rule) (rows []loadgen.Request) {
	t.Helper()
	bubble(t, func(t *testing.T) {
		s := newShop()
		s.before = func(w http.ResponseWriter, r *http.Request) bool {
			for _, c := range rules {
				if !strings.HasPrefix(r.Method+" "+r.URL.Path, c.route) {
					continue
				}
				if c.status == 0 {
					return hang(r)
				}
				if name, value, ok := strings.Cut(c.field, ": "); ok {
					w.Header().Set(name, value)
				}
				w.WriteHeader(c.status)
				io.WriteString(w, c.body)
				return true
			}
			return false
		}
		g, l := start(t, s, loadgen.Config{Rate: 40, Products: skus(50)})
		rows = drained(t, g, l, 3*time.Second)
	})
	return rows
}

// A customer who knows what the shop said before finds out what cannot be so.
func TestCheckoutsAreReadBack(t *testing.T) {
	const checkout, order = loadgen.ClassCheckout, loadgen.ClassOrder
	type answer struct {
		status int
		body   map[string]any
	}
	paid := answer{201, map[string]any{"order": "o-1", "state": "PAID", "total": 500}}
	read := func(state string, total int) answer {
		return answer{200, map[string]any{"order": "o-1", "state": state, "total": total}}
	}
	pending := answer{202, map[string]any{"order": "o-1", "state": "PENDING"}}
	for _, c := range []struct {
		name            string
		checkout, order answer
		class           string
		outcome         loadgen.Outcome
		reason, state   string
	}{
		{"paid and so it reads", paid, read("PAID", 500), order, loadgen.OK, "", "PAID"},
		{"paid and shipped already", paid, read("SHIPPED", 500), order, loadgen.OK, "", "SHIPPED"},
		{"paid, but it reads pending", paid, read("PENDING", 500), order, loadgen.Failed, "untrue", "PENDING"},
		{"paid, but it reads cancelled", paid, read("CANCELLED", 500), order, loadgen.Failed, "untrue", "CANCELLED"},
		{"paid, at another total", paid, read("PAID", 499), order, loadgen.Failed, "untrue", "PAID"},
		{"paid, but nowhere to be found", paid, answer{404, map[string]any{"error": "not_found"}}, order, loadgen.Failed, "untrue", ""},
		{"paid, but another order is read", paid, answer{200, map[string]any{"order": "o-2", "state": "PAID", "total": 500}}, order, loadgen.Failed, "untrue", ""},
		{"a read that fails is no lie", paid, answer{500, nil}, order, loadgen.Failed, "http_500", ""},
		{"pending, then paid", pending, read("PAID", 500), order, loadgen.OK, "", "PAID"},
		{"pending, then cancelled", pending, read("CANCELLED", 500), order, loadgen.OK, "", "CANCELLED"},
		{"pending for ever", pending, read("PENDING", 500), order, loadgen.OK, "", "PENDING"},
		{"pending, but nowhere to be found", pending, answer{404, nil}, order, loadgen.Failed, "untrue", ""},
		{"pending, in a state that is none", pending, read("LOST", 500), order, loadgen.Failed, "untrue", "LOST"},
		{"pending, paid for nothing", pending, read("PAID", 0), order, loadgen.Failed, "untrue", "PAID"},

		{"created, but pending", answer{201, map[string]any{"order": "o-1", "state": "PENDING", "total": 1}}, read("PAID", 1), checkout, loadgen.Failed, "untrue", "PENDING"},
		{"accepted, but paid", answer{202, map[string]any{"order": "o-1", "state": "PAID", "total": 1}}, read("PAID", 1), checkout, loadgen.Failed, "untrue", "PAID"},
		{"paid for nothing", answer{201, map[string]any{"order": "o-1", "state": "PAID", "total": 0}}, read("PAID", 0), checkout, loadgen.Failed, "untrue", "PAID"},
		{"paid, without an order", answer{201, map[string]any{"state": "PAID", "total": 1}}, read("PAID", 1), checkout, loadgen.Failed, "untrue", ""},
		{"200 says nothing about a checkout", answer{200, map[string]any{"order": "o-1", "state": "PAID", "total": 1}}, read("PAID", 1), checkout, loadgen.Failed, "untrue", "PAID"},
		{"sold out", answer{409, map[string]any{"error": "sold_out", "order": "o-1"}}, read("CANCELLED", 1), checkout, loadgen.OK, "sold_out", ""},
		{"a cart that was filled is empty", answer{409, map[string]any{"error": "empty_cart"}}, read("PAID", 1), checkout, loadgen.Failed, "untrue", ""},
		{"a good card is declined", answer{402, map[string]any{"error": "declined"}}, read("PAID", 1), checkout, loadgen.Failed, "untrue", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := func(a answer) string {
				b, err := json.Marshal(a.body)
				if err != nil {
					t.Fatal(err)
				}
				return string(b)
			}
			rows := ruled(t,
				rule{route: "POST /api/checkout", status: c.checkout.status, body: text(c.checkout)},
				rule{route: "GET /api/orders/o-1", status: c.order.status, body: text(c.order)})
			last := map[uint64]loadgen.Request{}
			for _, r := range rows {
				if r.Class == c.class && !declinedCard(r) {
					last[r.Journey] = r
				}
			}
			if len(last) == 0 {
				t.Fatal("nobody got there")
			}
			for _, r := range last {
				if r.Outcome != c.outcome || r.Reason != c.reason || r.State != c.state {
					t.Fatalf("got %v %q %q, want %v %q %q", r.Outcome, r.Reason, r.State, c.outcome, c.reason, c.state)
				}
			}
		})
	}
}

// declinedCard reports whether the journey of a checkout pays with a card that
// its bank declines.
func declinedCard(r loadgen.Request) bool {
	p, err := loadgen.NewPlanner(0, skus(50))
	if err != nil {
		panic(err)
	}
	var s loadgen.Script
	p.Script(r.Journey, &s)
	for _, st := range s.Steps {
		if strings.HasPrefix(st.Card, "declined") {
			return true
		}
	}
	return false
}

// A declined card is an honest refusal, and one that pays is a lie.
func TestDeclinedCards(t *testing.T) {
	for status, want := range map[int]loadgen.Outcome{402: loadgen.OK, 201: loadgen.Failed} {
		bubble(t, func(t *testing.T) {
			s := newShop()
			s.before = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/api/checkout" && status == 201 {
					reply(w, 201, map[string]any{"order": "o-1", "state": "PAID", "total": 1})
					return true
				}
				return false
			}
			g, l := start(t, s, loadgen.Config{Rate: 100, Products: skus(50)})
			n := 0
			for _, r := range drained(t, g, l, 20*time.Second) {
				if r.Class == loadgen.ClassCheckout && declinedCard(r) {
					if n++; r.Outcome != want {
						t.Errorf("status %d: %+v", status, r)
					}
				}
			}
			if n == 0 {
				t.Error("no declined card in 20 s")
			}
		})
	}
}

// A pending order is looked at every half second, for five seconds at most,
// and no longer than it is pending.
func TestPendingOrdersArePolled(t *testing.T) {
	for _, c := range []struct {
		final string
		polls int // after how many reads the order is final
		want  int
	}{{"PAID", 1, 1}, {"PAID", 4, 4}, {"CANCELLED", 2, 2}, {"", 0, 10}} {
		bubble(t, func(t *testing.T) {
			s := newShop()
			s.state, s.final, s.polls = "PENDING", c.final, c.polls
			g, l := start(t, s, loadgen.Config{Rate: 20})
			reads := map[uint64][]loadgen.Request{}
			var checkouts []loadgen.Request
			for _, r := range drained(t, g, l, 5*time.Second) {
				switch {
				case r.Class == loadgen.ClassOrder:
					reads[r.Journey] = append(reads[r.Journey], r)
				case r.Class == loadgen.ClassCheckout && r.State == "PENDING":
					checkouts = append(checkouts, r)
				}
			}
			if len(checkouts) == 0 {
				t.Fatal("nobody bought anything")
			}
			for _, o := range checkouts {
				rs := reads[o.Journey]
				if len(rs) != c.want {
					t.Fatalf("%q after %d: %d reads, want %d", c.final, c.polls, len(rs), c.want)
				}
				for i, r := range rs {
					if want := o.Done + time.Duration(i+1)*500*time.Millisecond; r.Due != want || r.Step != o.Step+1+i || r.Order != o.Order {
						t.Fatalf("read %d: %+v, want it due at %v", i, r, want)
					}
				}
				if last := rs[len(rs)-1].State; c.final != "" && last != c.final || c.final == "" && last != "PENDING" {
					t.Fatalf("the last read says %s", last)
				}
			}
		})
	}
}

func TestUseful(t *testing.T) {
	for _, c := range []struct {
		r    loadgen.Request
		want bool
	}{
		{loadgen.Request{Class: loadgen.ClassHome, Outcome: loadgen.OK, Done: time.Second}, true},
		{loadgen.Request{Class: loadgen.ClassHome, Outcome: loadgen.OK, Done: time.Second + 1}, false},
		{loadgen.Request{Class: loadgen.ClassHome, Outcome: loadgen.Degraded, Done: time.Second}, true},
		{loadgen.Request{Class: loadgen.ClassCheckout, Outcome: loadgen.OK, Done: 2500 * time.Millisecond}, true},
		{loadgen.Request{Class: loadgen.ClassCheckout, Outcome: loadgen.OK, Due: 1, Done: 2500*time.Millisecond + 2}, false},
		{loadgen.Request{Class: loadgen.ClassOrder, Outcome: loadgen.Failed}, false},
		{loadgen.Request{Class: loadgen.ClassOrder}, false},
		{loadgen.Request{Class: "no such class", Outcome: loadgen.OK, Done: 1}, false},
	} {
		if got := c.r.Useful(); got != c.want {
			t.Errorf("%+v: useful %v, want %v", c.r, got, c.want)
		}
	}
}
