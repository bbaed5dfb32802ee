package orders_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/internal/call"
	"github.com/bedlamlab/bedlam/services/internal/proctest"
	"github.com/bedlamlab/bedlam/services/internal/servetest"
	"github.com/bedlamlab/bedlam/services/orders"
	"github.com/bedlamlab/bedlam/services/orders/orderspb"
	"github.com/bedlamlab/bedlam/services/shipping"
	"github.com/bedlamlab/bedlam/services/shipping/shippingpb"
	"github.com/bedlamlab/bedlam/topology"
)

func TestMain(m *testing.M) { proctest.Main(m, orders.Run) }

// shop is what the orders stand on: a store, and the real shipping behind a
// gate that tests can close.
type shop struct {
	t        *testing.T
	store    string
	conn     *pgx.Conn
	shipping *gate
	address  string // of the gate
	replicas []orderspb.OrdersClient
}

func start(t *testing.T, replicas int) *shop {
	t.Helper()
	s := &shop{t: t, store: servetest.Postgres(t)}
	behind, _ := servetest.Start(t, shipping.Run, topology.Assignment{System: "test", Store: s.store, StoreInstance: "postgres-1",
		Instance: topology.Instance{Name: "shipping-1", Service: "shipping", Replica: 1}})
	s.shipping = &gate{t: t, real: shippingpb.NewShippingClient(servetest.Dial(t, behind)), changed: make(chan struct{}),
		counts: map[string]int{}, refusing: map[string]bool{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer(call.AllowKeepalive())
	shippingpb.RegisterShippingServer(g, s.shipping)
	go func() { _ = g.Serve(l) }()
	t.Cleanup(g.Stop)
	s.address = l.Addr().String()
	if s.conn, err = pgx.Connect(t.Context(), s.store); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.conn.Close(context.Background()) })
	for i := range replicas {
		s.run(i + 1)
	}
	return s
}

func (s *shop) assignment(replica int) topology.Assignment {
	return topology.Assignment{System: "test", Store: s.store, StoreInstance: "postgres-1",
		Instance: topology.Instance{Name: fmt.Sprintf("orders-%d", replica), Service: "orders", Replica: replica},
		Peers:    map[string][]topology.Peer{"shipping": {{Instance: "shipping-1", Address: s.address}}},
	}
}

func (s *shop) run(replica int) {
	s.t.Helper()
	address, _ := servetest.Start(s.t, orders.Run, s.assignment(replica))
	s.replicas = append(s.replicas, s.dial(address))
}

func (s *shop) dial(address string) orderspb.OrdersClient {
	return orderspb.NewOrdersClient(servetest.Dial(s.t, address))
}

func (s *shop) query(sql string, to ...any) {
	s.t.Helper()
	if err := s.conn.QueryRow(s.t.Context(), sql).Scan(to...); err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
}

// awaitLimit is far more than anything here takes; it only ends a test that
// would hang.
const awaitLimit = time.Minute

// await asks until an order has come to a state.
func (s *shop) await(order, state string) {
	s.t.Helper()
	limit := time.Now().Add(awaitLimit)
	for {
		o, err := s.replicas[0].Get(s.t.Context(), &orderspb.GetRequest{Order: order})
		if err == nil && o.GetState() == state {
			return
		}
		if time.Now().After(limit) {
			s.t.Fatalf("order %s never became %s: %v, %v", order, state, o, err)
		}
		time.Sleep(5 * time.Millisecond) // the state is read as a customer reads it; there is no event for it
	}
}

func (s *shop) wantTransitions(order string, want ...string) {
	s.t.Helper()
	rows, _ := s.conn.Query(s.t.Context(), `SELECT seq || ' ' || from_state || '>' || to_state FROM orders.audit_transitions WHERE order_id = $1 ORDER BY seq`, order)
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || !slices.Equal(got, want) {
		s.t.Errorf("order %s went %q (%v), want %q", order, got, err, want)
	}
}

func (s *shop) wantOutbox(order string, events, published int) {
	s.t.Helper()
	var all, gone int
	err := s.conn.QueryRow(s.t.Context(), `SELECT count(*), count(published_at) FROM orders.audit_outbox WHERE order_id = $1`, order).Scan(&all, &gone)
	if err != nil || all != events || gone != published {
		s.t.Errorf("order %s has %d events, %d published (%v), want %d and %d", order, all, gone, err, events, published)
	}
}

func (s *shop) wantShipments(want int) {
	s.t.Helper()
	var got int
	s.query(`SELECT count(*) FROM shipping.audit_shipments`, &got)
	if got != want {
		s.t.Errorf("there are %d shipments, want %d", got, want)
	}
}

// A gate stands before the real shipping.
type gate struct {
	shippingpb.UnimplementedShippingServer
	t    *testing.T
	real shippingpb.ShippingClient

	mu       sync.Mutex
	mode     string // "" open, fail, hold (before the effect), drop (after it)
	counts   map[string]int
	refusing map[string]bool
	refused  int // calls that met a closed gate
	changed  chan struct{}
}

func (g *gate) Deliver(ctx context.Context, r *shippingpb.DeliverRequest) (*shippingpb.DeliverResponse, error) {
	mode, refusing := g.enter(r.GetOrder())
	switch {
	case refusing:
		return nil, status.Error(codes.InvalidArgument, "not this one")
	case mode == "fail":
		return nil, status.Error(codes.Unavailable, "the gate is closed")
	case mode == "hold":
		if err := g.awaitMode(ctx, "hold"); err != nil {
			return nil, err
		}
	}
	answer, err := g.real.Deliver(ctx, r)
	if err != nil {
		return nil, err
	}
	g.count(r.GetOrder())
	if mode == "drop" {
		if err := g.awaitMode(ctx, "drop"); err != nil {
			return nil, err
		}
	}
	return answer, nil
}

func (g *gate) enter(order string) (mode string, refusing bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mode == "fail" || g.mode == "hold" || g.refusing[order] {
		g.refused++
		g.tell()
	}
	return g.mode, g.refusing[order]
}

func (g *gate) count(order string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.counts[order]++
	g.counts[""]++
	g.tell()
}

// tell wakes all who await something; the lock is held.
func (g *gate) tell() {
	close(g.changed)
	g.changed = make(chan struct{})
}

func (g *gate) set(mode string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mode = mode
	g.tell()
}

func (g *gate) fail()        { g.set("fail") }
func (g *gate) hold()        { g.set("hold") }
func (g *gate) dropAnswers() { g.set("drop") }
func (g *gate) letGo()       { g.set("") }

func (g *gate) refuse(order string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refusing[order] = true
}

func (g *gate) delivered(order string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.counts[order]
}

// awaitMode waits until the gate is in that mode no more.
func (g *gate) awaitMode(ctx context.Context, mode string) error {
	for {
		g.mu.Lock()
		now, changed := g.mode, g.changed
		g.mu.Unlock()
		if now != mode {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (g *gate) await(what string, reached func() bool) {
	g.t.Helper()
	limit := time.After(awaitLimit)
	for {
		g.mu.Lock()
		ok, changed := reached(), g.changed
		g.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-limit:
			g.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// awaitDelivered waits for so many deliveries of an order; of all if it is "".
func (g *gate) awaitDelivered(order string, n int) {
	g.t.Helper()
	g.await("deliveries", func() bool { return g.counts[order] >= n })
}

func (g *gate) awaitRefused(n int) {
	g.t.Helper()
	g.await("refusals", func() bool { return g.refused >= n })
}
