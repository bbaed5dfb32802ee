package checkout_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/cart/cartpb"
	"github.com/bedlamlab/bedlam/services/catalog/catalogpb"
	"github.com/bedlamlab/bedlam/services/internal/call"
	"github.com/bedlamlab/bedlam/services/inventory/inventorypb"
	"github.com/bedlamlab/bedlam/services/orders/orderspb"
	"github.com/bedlamlab/bedlam/services/payment/paymentpb"
)

// world is everything around the checkout: five services that work, keep what
// they did, and hold to their contracts. Each purchase, by its key, has a cart
// and a product of its own and may meet faults on its way (fault_test.go).
type world struct {
	t       testing.TB
	address string

	mu      sync.Mutex
	changed chan struct{} // closed and replaced whenever something happens
	faults  map[site]*fault
	keys    map[string]string // of orders
	late    []func()          // effects that are still on their way
	calls   map[site]int

	carts        map[string]*cart
	orders       map[string]*order
	reservations map[string]*reservation
	charges      map[string]*charge
	sold         map[string]int32
}

type cart struct {
	lines   []*cartpb.Line
	cleared []string // by which orders
}

type order struct {
	state, reason string
	total         int64
	moves         int
}

type reservation struct {
	state string
	lines []*inventorypb.Line
}

type charge struct {
	state             string
	order             string
	amount            int64
	captures, refunds int // times that money moved
}

const (
	price    = 250
	quantity = 3
	declined = "declined-card"
)

func cartOf(key string) string { return "cart of " + key }
func skuOf(key string) string  { return "product of " + key }

// newWorld makes a world and serves it until the test ends.
func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, changed: make(chan struct{}), faults: map[site]*fault{}, keys: map[string]string{}, calls: map[site]int{},
		carts: map[string]*cart{}, orders: map[string]*order{}, reservations: map[string]*reservation{},
		charges: map[string]*charge{}, sold: map[string]int32{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.address = l.Addr().String()
	s := grpc.NewServer(call.AllowKeepalive())
	cartpb.RegisterCartServer(s, carts{world: w})
	catalogpb.RegisterCatalogServer(s, catalogue{world: w})
	orderspb.RegisterOrdersServer(s, orderBook{world: w})
	inventorypb.RegisterInventoryServer(s, stock{world: w})
	paymentpb.RegisterPaymentServer(s, till{world: w})
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return w
}

// fillCart puts the purchase of a key into its cart.
func (w *world) fillCart(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.carts[cartOf(key)] = &cart{lines: []*cartpb.Line{{Sku: skuOf(key), Quantity: quantity}}}
}

func (w *world) tell() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// await waits until something is so; it is looked at whenever something happens.
func (w *world) await(what string, so func() bool) {
	w.t.Helper()
	limit := time.After(awaitLimit)
	for {
		w.mu.Lock()
		ok, changed := so(), w.changed
		w.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-limit:
			w.t.Fatalf("waited in vain for %s", what)
		}
	}
}

func refusal(format string, args ...any) error {
	return status.Errorf(codes.FailedPrecondition, format, args...)
}

type carts struct {
	cartpb.UnimplementedCartServer
	*world
}

func (c carts) Get(ctx context.Context, r *cartpb.GetRequest) (*cartpb.Contents, error) {
	reply := &cartpb.Contents{Cart: r.GetCart(), Version: 7}
	return reply, c.meet(ctx, site{strings.TrimPrefix(r.GetCart(), "cart of "), "read"}, func() error {
		if found := c.carts[r.GetCart()]; found != nil {
			reply.Lines = found.lines
		}
		return nil
	})
}

func (c carts) Clear(ctx context.Context, r *cartpb.ClearRequest) (*cartpb.Contents, error) {
	return &cartpb.Contents{}, c.meet(ctx, site{strings.TrimPrefix(r.GetCart(), "cart of "), "clear"}, func() error {
		found := c.carts[r.GetCart()]
		if r.GetVersion() != 7 {
			c.t.Errorf("cart %s is cleared at version %d, want the one that was bought", r.GetCart(), r.GetVersion())
		}
		for _, o := range found.cleared {
			if o == r.GetOrder() {
				return nil
			}
		}
		found.lines, found.cleared = nil, append(found.cleared, r.GetOrder())
		return nil
	})
}

type catalogue struct {
	catalogpb.UnimplementedCatalogServer
	*world
}

func (c catalogue) GetMany(ctx context.Context, r *catalogpb.GetManyRequest) (*catalogpb.GetManyResponse, error) {
	reply := &catalogpb.GetManyResponse{}
	key := strings.TrimPrefix(r.GetSkus()[0], "product of ")
	return reply, c.meet(ctx, site{key, "price"}, func() error {
		for _, sku := range r.GetSkus() {
			if sku != skuOf("gone") {
				reply.Products = append(reply.Products, &catalogpb.Product{Sku: sku, Price: price, Currency: "EUR"})
			}
		}
		return nil
	})
}

type orderBook struct {
	orderspb.UnimplementedOrdersServer
	*world
}

func (b orderBook) Create(ctx context.Context, r *orderspb.CreateRequest) (*orderspb.Order, error) {
	b.mu.Lock()
	b.keys[r.GetOrder()] = r.GetKey()
	b.mu.Unlock()
	return &orderspb.Order{}, b.meet(ctx, site{r.GetKey(), "create"}, func() error {
		if b.orders[r.GetOrder()] == nil {
			b.orders[r.GetOrder()] = &order{state: "PENDING", total: r.GetTotal()}
		}
		return nil
	})
}

func (b orderBook) MarkPaid(ctx context.Context, r *orderspb.MarkRequest) (*orderspb.Order, error) {
	return &orderspb.Order{}, b.meet(ctx, b.site(r.GetOrder(), "paid"), func() error { return b.turn(r.GetOrder(), "PAID", "") })
}

func (b orderBook) Cancel(ctx context.Context, r *orderspb.CancelRequest) (*orderspb.Order, error) {
	return &orderspb.Order{}, b.meet(ctx, b.site(r.GetOrder(), "cancel"), func() error { return b.turn(r.GetOrder(), "CANCELLED", r.GetReason()) })
}

func (b orderBook) turn(id, state, reason string) error {
	o := b.orders[id]
	switch {
	case o == nil:
		return status.Error(codes.NotFound, "no such order")
	case o.state == state:
		return nil
	case o.state != "PENDING":
		return refusal("the order is %s", o.state)
	}
	o.state, o.reason = state, reason
	o.moves++
	return nil
}

type stock struct {
	inventorypb.UnimplementedInventoryServer
	*world
}

func (s stock) Reserve(ctx context.Context, r *inventorypb.ReserveRequest) (*inventorypb.Reservation, error) {
	return &inventorypb.Reservation{}, s.meet(ctx, s.site(r.GetOrder(), "reserve"), func() error {
		found := s.reservations[r.GetOrder()]
		switch {
		case found == nil:
			s.reservations[r.GetOrder()] = &reservation{state: "held", lines: r.GetLines()}
		case found.state == "released":
			return refusal("it was released")
		}
		return nil
	})
}

func (s stock) Commit(ctx context.Context, r *inventorypb.ReservationRequest) (*inventorypb.Reservation, error) {
	return &inventorypb.Reservation{}, s.meet(ctx, s.site(r.GetOrder(), "commit"), func() error {
		found := s.reservations[r.GetOrder()]
		switch {
		case found == nil || found.state == "released":
			return refusal("nothing is held")
		case found.state == "held":
			found.state = "committed"
			for _, l := range found.lines {
				s.sold[l.GetSku()] += l.GetQuantity()
			}
		}
		return nil
	})
}

func (s stock) Release(ctx context.Context, r *inventorypb.ReservationRequest) (*inventorypb.Reservation, error) {
	return &inventorypb.Reservation{}, s.meet(ctx, s.site(r.GetOrder(), "release"), func() error {
		found := s.reservations[r.GetOrder()]
		switch {
		case found == nil:
			s.reservations[r.GetOrder()] = &reservation{state: "released"}
		case found.state == "committed":
			return refusal("it was sold")
		default:
			found.state = "released"
		}
		return nil
	})
}

type till struct {
	paymentpb.UnimplementedPaymentServer
	*world
}

func (p till) Capture(ctx context.Context, r *paymentpb.CaptureRequest) (*paymentpb.Charge, error) {
	reply := &paymentpb.Charge{}
	return reply, p.meet(ctx, p.site(r.GetOrder(), "capture"), func() error {
		found := p.charges[r.GetKey()]
		if found == nil {
			found = &charge{order: r.GetOrder(), amount: r.GetAmount()}
			p.charges[r.GetKey()] = found
			if r.GetCard() == declined {
				found.state = "declined"
			} else {
				found.state, found.captures = "captured", 1
			}
		}
		if found.state != "captured" {
			return refusal("the charge is %s", found.state)
		}
		reply.State = found.state
		return nil
	})
}

func (p till) Refund(ctx context.Context, r *paymentpb.RefundRequest) (*paymentpb.Charge, error) {
	reply := &paymentpb.Charge{}
	return reply, p.meet(ctx, p.site(r.GetOrder(), "refund"), func() error {
		found := p.charges[r.GetKey()]
		switch {
		case found == nil:
			found = &charge{order: r.GetOrder(), state: "void"}
			p.charges[r.GetKey()] = found
		case found.state == "captured":
			found.state = "refunded"
			found.refunds++
		}
		reply.State = found.state
		return nil
	})
}

func (w *world) String() string { return fmt.Sprintf("the world at %s", w.address) }
