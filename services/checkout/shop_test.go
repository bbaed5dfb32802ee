package checkout_test

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/checkout"
	"github.com/bedlamlab/bedlam/services/checkout/checkoutpb"
	"github.com/bedlamlab/bedlam/services/internal/proctest"
	"github.com/bedlamlab/bedlam/services/internal/servetest"
	"github.com/bedlamlab/bedlam/topology"
)

func TestMain(m *testing.M) { proctest.Main(m, checkout.Run) }

// awaitLimit is far more than anything here takes; it only ends a test that
// would hang.
const awaitLimit = 2 * time.Minute

// shop is the checkout in its world.
type shop struct {
	t        testing.TB
	world    *world
	store    string
	log      *pgxpool.Pool
	settings map[string]string
	timeout  time.Duration // of every edge; 0: none
}

// quick makes takeovers quick, and lets nothing be given up by the clock.
var quick = map[string]string{"lease": "700ms", "resume_every": "50ms", "give_up": "1h"}

func newShop(t testing.TB, settings map[string]string) *shop {
	t.Helper()
	s := &shop{t: t, world: newWorld(t), store: servetest.Postgres(t), settings: maps.Clone(settings)}
	var err error
	if s.log, err = pgxpool.New(t.Context(), s.store); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.log.Close)
	return s
}

func (s *shop) assignment(replica int) topology.Assignment {
	a := topology.Assignment{System: "test", Store: s.store, StoreInstance: "postgres-1", Settings: s.settings,
		Instance: topology.Instance{Name: fmt.Sprintf("checkout-%d", replica), Service: "checkout", Replica: replica},
		Peers:    map[string][]topology.Peer{}, Policies: map[string]topology.Policy{}}
	for _, callee := range []string{"cart", "catalog", "inventory", "payment", "orders"} {
		a.Peers[callee] = []topology.Peer{{Instance: callee + "-1", Address: s.world.address}}
		a.Policies[callee] = topology.Policy{Timeout: topology.Duration(s.timeout)}
	}
	return a
}

// run starts a replica in this process.
func (s *shop) run(replica int) checkoutpb.CheckoutClient {
	s.t.Helper()
	address, _ := servetest.Start(s.t, checkout.Run, s.assignment(replica))
	return checkoutpb.NewCheckoutClient(servetest.Dial(s.t, address))
}

// spawn starts a replica in a process of its own.
func (s *shop) spawn(replica int) (*proctest.Process, checkoutpb.CheckoutClient) {
	s.t.Helper()
	p := proctest.Start(s.t, s.assignment(replica))
	return p, checkoutpb.NewCheckoutClient(servetest.Dial(s.t, p.Address))
}

// A purchase is what a customer wants, and what should become of it.
type purchase struct {
	key, card string
	want      string // completed, compensated; "": either
	reason    string
}

func (p purchase) request() *checkoutpb.PlaceRequest {
	card := p.card
	if card == "" {
		card = "good-card"
	}
	return &checkoutpb.PlaceRequest{Key: p.key, Cart: cartOf(p.key), Customer: "ada", Card: card}
}

// placeAll places purchases side by side, as patient customers do: those who
// get an error ask another replica with the same key. The purchases are spread
// over the replicas. It returns the answers by key.
func (s *shop) placeAll(purchases []purchase, replicas ...checkoutpb.CheckoutClient) map[string]*checkoutpb.Placed {
	s.t.Helper()
	return s.place(purchases, func(purchase, try int) checkoutpb.CheckoutClient { return replicas[(purchase+try)%len(replicas)] })
}

// place places purchases at the replicas that pick picks.
func (s *shop) place(purchases []purchase, pick func(purchase, try int) checkoutpb.CheckoutClient) map[string]*checkoutpb.Placed {
	s.t.Helper()
	for _, p := range purchases {
		s.world.fillCart(p.key)
	}
	var mu sync.Mutex
	answers := map[string]*checkoutpb.Placed{}
	var work sync.WaitGroup
	for i, p := range purchases {
		work.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), awaitLimit)
			defer cancel()
			for try := 0; ; try++ {
				answer, err := pick(i, try).Place(ctx, p.request())
				if err == nil {
					mu.Lock()
					defer mu.Unlock()
					answers[p.key] = answer
					return
				}
				if code := status.Code(err); code != codes.Unavailable && code != codes.DeadlineExceeded || ctx.Err() != nil {
					s.t.Errorf("placing %s: %v", p.key, err)
					return
				}
				time.Sleep(10 * time.Millisecond) // a customer's pause before asking again
			}
		})
	}
	work.Wait()
	return answers
}

// awaitEnds waits until so many sagas are in the log and all have ended.
func (s *shop) awaitEnds(sagas int) {
	s.t.Helper()
	limit := time.Now().Add(awaitLimit)
	for {
		var all, open int
		err := s.log.QueryRow(context.Background(), `SELECT count(*), count(*) FILTER (WHERE state IN ('running', 'compensating')) FROM checkout.audit_sagas`).Scan(&all, &open)
		if err == nil && all == sagas && open == 0 {
			return
		}
		if time.Now().After(limit) {
			var left string
			_ = s.log.QueryRow(context.Background(), `SELECT string_agg(key || ' ' || state || ' ' || step || ' ' || epoch, '; ') FROM checkout.audit_sagas WHERE state IN ('running', 'compensating')`).Scan(&left)
			s.t.Fatalf("%d of %d sagas were there, %d open (%v): %s", all, sagas, open, err, left)
		}
		time.Sleep(10 * time.Millisecond) // the log is read as the audit reads it; it tells nobody
	}
}

type row struct {
	order, state, reason string
	epoch                int64
}

func (s *shop) saga(key string) row {
	s.t.Helper()
	var r row
	err := s.log.QueryRow(context.Background(), `SELECT order_id, state, reason, epoch FROM checkout.audit_sagas WHERE key = $1`, key).
		Scan(&r.order, &r.state, &r.reason, &r.epoch)
	if err != nil {
		s.t.Fatalf("reading the saga of %s: %v", key, err)
	}
	return r
}

// check holds what became of purchases against what was promised. It first lets
// arrive what was still on its way.
func (s *shop) check(purchases []purchase, answers map[string]*checkoutpb.Placed) {
	s.t.Helper()
	s.world.arrive()
	for _, p := range purchases {
		r := s.saga(p.key)
		bad := func(format string, args ...any) {
			s.t.Helper()
			s.t.Errorf("%s (%s %s, epoch %d): %s", p.key, r.state, r.reason, r.epoch, fmt.Sprintf(format, args...))
		}
		if p.want != "" && r.state != p.want || p.reason != "" && r.reason != p.reason {
			bad("want %s %s", p.want, p.reason)
		}
		if a := answers[p.key]; a != nil {
			if a.GetState() == "PAID" && r.state != "completed" || a.GetState() == "CANCELLED" && r.state != "compensated" {
				bad("the customer was told %v", a)
			}
			if a.GetState() == "CANCELLED" && a.GetReason() != r.reason {
				bad("the customer was told the reason %s", a.GetReason())
			}
		}
		s.world.check(p, r, bad)
	}
}

// check looks at the traces that one purchase has left in the world.
func (w *world) check(p purchase, r row, bad func(string, ...any)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var c charge
	for _, found := range w.charges {
		if found.order == r.order {
			c.captures += found.captures
			c.refunds += found.refunds
			c.state, c.amount = found.state, found.amount
		}
	}
	o, held, sold := w.orders[r.order], w.reservations[r.order], w.sold[skuOf(p.key)]
	if r.state == "completed" {
		if o == nil || o.state != "PAID" || o.moves != 1 || o.total != quantity*price {
			bad("the order is %+v, want it paid", o)
		}
		if c.state != "captured" || c.captures != 1 || c.refunds != 0 || c.amount != quantity*price {
			bad("the charge is %+v, want it captured once", c)
		}
		if held == nil || held.state != "committed" || sold != quantity {
			bad("the reservation is %+v and %d are sold, want %d", held, sold, quantity)
		}
		if n := len(w.carts[cartOf(p.key)].cleared); n != 1 {
			bad("the cart was cleared %d times", n)
		}
		return
	}
	if o == nil || o.state != "CANCELLED" || o.moves != 1 || o.reason != r.reason {
		bad("the order is %+v, want it cancelled", o)
	}
	if c.captures != c.refunds || c.captures > 1 || c.state == "captured" {
		bad("the charge is %+v, want no money kept", c)
	}
	if held != nil && held.state != "released" || sold != 0 {
		bad("the reservation is %+v and %d are sold, want nothing held", held, sold)
	}
	if n := len(w.carts[cartOf(p.key)].cleared); n != 0 {
		bad("the cart was cleared")
	}
}
