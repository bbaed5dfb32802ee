package loadgen_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/loadgen"
)

// A shop is a small shop that works, with the gateway's API. Its parts can be
// replaced to make it lie, refuse or stall.
type shop struct {
	products int
	scarce   []int
	// before, if set, may answer a request itself; it reports whether it did.
	before func(w http.ResponseWriter, r *http.Request) bool
	// state is what a checkout answers, PAID unless set; final is what a
	// pending order becomes after polls reads.
	state, final string
	polls        int

	mu     sync.Mutex
	carts  map[string]map[string]int
	orders map[string]*placed
	keys   map[string]int // requests by idempotency key
	asked  int
}

type placed struct {
	state string
	total int64
	lines map[string]int
	reads int
}

func newShop() *shop {
	return &shop{products: 50, carts: map[string]map[string]int{}, orders: map[string]*placed{}, keys: map[string]int{}}
}

func price(sku string) int64 {
	n, _ := strconv.Atoi(strings.TrimPrefix(sku, "P"))
	return int64(100 + n)
}

func (s *shop) product(i int) map[string]any {
	sku := fmt.Sprintf("P%05d", i)
	return map[string]any{"sku": sku, "name": sku, "price": price(sku), "currency": "EUR", "scarce": slices.Contains(s.scarce, i)}
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked++
	if k := r.Header.Get("Idempotency-Key"); k != "" {
		s.keys[k]++
	}
	s.mu.Unlock()
	if s.before != nil && s.before(w, r) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch route := r.Method + " " + strings.Join(path[:min(2, len(path))], "/"); {
	case route == "GET api/home":
		reply(w, 200, map[string]any{"featured": []any{s.product(1), s.product(2)}, "recommended": []any{}})
	case route == "GET api/products" && len(path) == 2:
		offset, _ := strconv.Atoi(r.FormValue("offset"))
		limit, _ := strconv.Atoi(r.FormValue("limit"))
		list := []any{}
		for i := offset; i < min(offset+limit, s.products); i++ {
			list = append(list, s.product(i+1))
		}
		reply(w, 200, map[string]any{"products": list, "total": s.products})
	case route == "GET api/products":
		n, _ := strconv.Atoi(strings.TrimPrefix(path[2], "P"))
		reply(w, 200, s.product(n))
	case route == "POST api/carts":
		var b struct {
			SKU      string
			Quantity int
		}
		json.NewDecoder(r.Body).Decode(&b)
		if s.carts[path[2]] == nil {
			s.carts[path[2]] = map[string]int{}
		}
		s.carts[path[2]][b.SKU] += b.Quantity
		s.cart(w, path[2])
	case route == "GET api/carts":
		s.cart(w, path[2])
	case route == "POST api/checkout":
		s.checkout(w, r)
	case route == "GET api/orders":
		s.order(w, path[2])
	default:
		reply(w, 404, map[string]any{"error": "not_found"})
	}
}

func (s *shop) cart(w http.ResponseWriter, id string) {
	lines := []any{}
	for sku, n := range s.carts[id] {
		lines = append(lines, map[string]any{"sku": sku, "quantity": n})
	}
	reply(w, 200, map[string]any{"cart": id, "lines": lines})
}

func (s *shop) checkout(w http.ResponseWriter, r *http.Request) {
	var b struct{ Cart, Customer, Card string }
	json.NewDecoder(r.Body).Decode(&b)
	if strings.HasPrefix(b.Card, "declined") {
		reply(w, 402, map[string]any{"error": "declined"})
		return
	}
	o := &placed{state: "PAID", lines: s.carts[b.Cart]}
	if s.state != "" {
		o.state = s.state
	}
	for sku, n := range o.lines {
		o.total += price(sku) * int64(n)
	}
	id := "o-" + r.Header.Get("Idempotency-Key")
	s.orders[id] = o
	status := 201
	if o.state == "PENDING" {
		status = 202
	}
	reply(w, status, map[string]any{"order": id, "state": o.state, "total": o.total})
}

func (s *shop) order(w http.ResponseWriter, id string) {
	o := s.orders[id]
	if o == nil {
		reply(w, 404, map[string]any{"error": "not_found"})
		return
	}
	if o.reads++; o.state == "PENDING" && s.final != "" && o.reads >= s.polls {
		o.state = s.final
	}
	reply(w, 200, map[string]any{"order": id, "state": o.state, "total": o.total})
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}

// A pipe is a network of its own, without sockets, so that it can stand in a
// bubble of fake time. It listens by address.
type pipe struct {
	conns   map[string]chan net.Conn
	servers []*http.Server
	all     sync.WaitGroup
}

func newPipe() *pipe { return &pipe{conns: map[string]chan net.Conn{}} }

func (p *pipe) serve(address string, h http.Handler) {
	l := listener{conns: make(chan net.Conn), gone: make(chan struct{})}
	p.conns[address] = l.conns
	srv := &http.Server{Handler: h}
	p.servers = append(p.servers, srv)
	p.all.Go(func() { srv.Serve(&l) })
}

func (p *pipe) close() {
	for _, s := range p.servers {
		s.Close()
	}
	p.all.Wait()
}

func (p *pipe) dial(ctx context.Context, address string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns[address] <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type listener struct {
	conns chan net.Conn
	gone  chan struct{}
	once  sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.gone:
		return nil, net.ErrClosed
	}
}
func (l *listener) Close() error   { l.once.Do(func() { close(l.gone) }); return nil }
func (l *listener) Addr() net.Addr { return &net.TCPAddr{} }

// A ledger keeps requests in memory.
type ledger struct {
	mu   sync.Mutex
	rows []loadgen.Request
}

func (l *ledger) Record(r loadgen.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rows = append(l.rows, r)
}

// all returns what was recorded, by journey and step.
func (l *ledger) all() []loadgen.Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	rows := append([]loadgen.Request(nil), l.rows...)
	sortRequests(rows)
	return rows
}

// start starts a generator over the shop in a bubble of fake time, and stops
// it at the end of the test.
func start(t *testing.T, h http.Handler, c loadgen.Config) (*loadgen.Generator, *ledger) {
	t.Helper()
	p, l := newPipe(), &ledger{}
	p.serve("gateway-1:80", h)
	p.serve("gateway-2:80", h)
	if c.Run == "" {
		c.Run = "test"
	}
	c.Gateways = []loadgen.Gateway{{Instance: "gateway-1", Address: "gateway-1:80"}, {Instance: "gateway-2", Address: "gateway-2:80"}}
	c.Dial = p.dial
	c.Recorder = l
	g, err := loadgen.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Drain(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		p.close()
	})
	return g, l
}

// drained runs the load for that long and returns what was recorded.
func drained(t *testing.T, g *loadgen.Generator, l *ledger, d time.Duration) []loadgen.Request {
	t.Helper()
	time.Sleep(d) // of the bubble's clock
	if err := g.Drain(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	return l.all()
}

// A bell is a Recorder that passes every request on and rings once, when as
// many that count are done.
type bell struct {
	loadgen.Recorder
	counts func(loadgen.Request) bool
	left   atomic.Int64
	rung   chan struct{} // closed when it rings
}

func newBell(to loadgen.Recorder, n int64, counts func(loadgen.Request) bool) *bell {
	b := &bell{Recorder: to, counts: counts, rung: make(chan struct{})}
	b.left.Store(n)
	return b
}

func (b *bell) Record(r loadgen.Request) {
	b.Recorder.Record(r)
	if b.counts(r) && b.left.Add(-1) == 0 {
		close(b.rung)
	}
}

func hexed(id [8]byte) string { return fmt.Sprintf("%x", id[:]) }

// hang answers nothing until the customer gives up.
func hang(r *http.Request) bool {
	io.Copy(io.Discard, r.Body) // the server looks for the client's end only after the body
	<-r.Context().Done()
	return true
}

// testContext bounds a process that its test may have left alone.
func testContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Minute)
}
