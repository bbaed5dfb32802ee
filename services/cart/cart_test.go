package cart_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/cart"
	"github.com/bedlamlab/bedlam/services/cart/cartpb"
	"github.com/bedlamlab/bedlam/services/internal/proctest"
	"github.com/bedlamlab/bedlam/services/internal/servetest"
	"github.com/bedlamlab/bedlam/topology"
)

func TestMain(m *testing.M) { proctest.Main(m, cart.Run) }

func assignment(store string, replica int) topology.Assignment {
	return topology.Assignment{System: "test", Store: store, StoreInstance: "postgres-1",
		Instance: topology.Instance{Name: fmt.Sprintf("cart-%d", replica), Service: "cart", Replica: replica}}
}

// shop starts two replicas on one database.
func shop(t *testing.T) (store string, one, two cartpb.CartClient) {
	t.Helper()
	store = servetest.Postgres(t)
	var c [2]cartpb.CartClient
	for i := range c {
		address, _ := servetest.Start(t, cart.Run, assignment(store, i+1))
		c[i] = cartpb.NewCartClient(servetest.Dial(t, address))
	}
	return store, c[0], c[1]
}

func add(t *testing.T, c cartpb.CartClient, cart, key, sku string, quantity int32) *cartpb.Contents {
	t.Helper()
	now, err := c.Add(t.Context(), &cartpb.AddRequest{Cart: cart, Key: key, Sku: sku, Quantity: quantity})
	if err != nil {
		t.Fatalf("adding %d of %s under %s: %v", quantity, sku, key, err)
	}
	return now
}

func text(c *cartpb.Contents) string {
	s := ""
	for _, l := range c.GetLines() {
		s += fmt.Sprintf("%s:%d ", l.GetSku(), l.GetQuantity())
	}
	return s
}

func want(t *testing.T, why string, got *cartpb.Contents, lines string) {
	t.Helper()
	if text(got) != lines {
		t.Errorf("%s: the cart holds %q, want %q", why, text(got), lines)
	}
}

func TestContents(t *testing.T) {
	_, one, two := shop(t)
	ctx := t.Context()

	empty, err := one.Get(ctx, &cartpb.GetRequest{Cart: "nobody's"})
	if err != nil || len(empty.GetLines()) != 0 || empty.GetVersion() != 0 {
		t.Errorf("a cart nobody has filled: %v, %v", empty, err)
	}
	want(t, "first add", add(t, one, "c", "k1", "P2", 2), "P2:2 ")
	want(t, "second product, sorted", add(t, two, "c", "k2", "P1", 1), "P1:1 P2:2 ")
	want(t, "the same product once more", add(t, one, "c", "k3", "P2", 3), "P1:1 P2:5 ")
	want(t, "a repeated key on the other replica", add(t, two, "c", "k3", "P2", 3), "P1:1 P2:5 ")
	want(t, "the same key in another cart is another add", add(t, two, "d", "k3", "P2", 3), "P2:3 ")

	now, err := one.Remove(ctx, &cartpb.RemoveRequest{Cart: "c", Sku: "P2"})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "removed", now, "P1:1 ")
	if now, err = one.Remove(ctx, &cartpb.RemoveRequest{Cart: "c", Sku: "P2"}); err != nil {
		t.Fatal(err)
	}
	want(t, "removed again", now, "P1:1 ")
	want(t, "a key that came before the removal does not come back", add(t, one, "c", "k3", "P2", 3), "P1:1 ")
}

func TestClearTakesOnlyWhatWasBought(t *testing.T) {
	store, one, two := shop(t)
	ctx := t.Context()
	add(t, one, "c", "k1", "P1", 1)
	bought := add(t, one, "c", "k2", "P2", 2)
	add(t, two, "c", "k3", "P2", 5) // while the order is being paid

	for i, c := range []cartpb.CartClient{one, two, one} {
		now, err := c.Clear(ctx, &cartpb.ClearRequest{Cart: "c", Order: "o-1", Version: bought.GetVersion()})
		if err != nil {
			t.Fatal(err)
		}
		want(t, fmt.Sprintf("clear %d", i+1), now, "P2:5 ")
	}
	want(t, "a late repeat of a bought add", add(t, two, "c", "k1", "P1", 1), "P2:5 ")

	now, err := one.Clear(ctx, &cartpb.ClearRequest{Cart: "c", Order: "o-2"})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "without a version all goes", now, "")
	add(t, one, "c", "k4", "P9", 1)
	if now, err = two.Clear(ctx, &cartpb.ClearRequest{Cart: "c", Order: "o-2"}); err != nil {
		t.Fatal(err)
	}
	want(t, "a late repeat of that order takes nothing", now, "P9:1 ")

	conn := servetest.Connect(t, store)
	var adds, clears, lines int
	err = conn.QueryRow(ctx, `SELECT (SELECT count(*) FROM cart.audit_adds WHERE cart = 'c'),
		(SELECT count(*) FROM cart.audit_clears WHERE cart = 'c'),
		(SELECT sum(quantity) FROM cart.audit_lines WHERE cart = 'c')`).Scan(&adds, &clears, &lines)
	if err != nil || adds != 4 || clears != 2 || lines != 1 {
		t.Errorf("the audit sees %d adds, %d clears, %d in lines (%v), want 4, 2, 1", adds, clears, lines, err)
	}
}

func TestRefusals(t *testing.T) {
	_, one, _ := shop(t)
	add(t, one, "full", "k", "P1", 99)
	for i := range 99 {
		add(t, one, "wide", fmt.Sprint(i), fmt.Sprintf("P%d", i), 1)
	}
	add(t, one, "wide", "last", "P99", 1)
	for _, c := range []struct {
		why  string
		r    *cartpb.AddRequest
		want codes.Code
	}{
		{"no cart", &cartpb.AddRequest{Key: "k", Sku: "P1", Quantity: 1}, codes.InvalidArgument},
		{"no key", &cartpb.AddRequest{Cart: "c", Sku: "P1", Quantity: 1}, codes.InvalidArgument},
		{"no product", &cartpb.AddRequest{Cart: "c", Key: "k", Quantity: 1}, codes.InvalidArgument},
		{"nothing of it", &cartpb.AddRequest{Cart: "c", Key: "k", Sku: "P1"}, codes.InvalidArgument},
		{"too much at once", &cartpb.AddRequest{Cart: "c", Key: "k", Sku: "P1", Quantity: 100}, codes.InvalidArgument},
		{"a NUL, which PostgreSQL does not keep", &cartpb.AddRequest{Cart: "c\x00", Key: "k", Sku: "P1", Quantity: 1}, codes.InvalidArgument},
		{"too much in all", &cartpb.AddRequest{Cart: "full", Key: "k2", Sku: "P1", Quantity: 1}, codes.FailedPrecondition},
		{"the key of another add", &cartpb.AddRequest{Cart: "full", Key: "k", Sku: "P2", Quantity: 99}, codes.InvalidArgument},
		{"the 101st product", &cartpb.AddRequest{Cart: "wide", Key: "k", Sku: "P100", Quantity: 1}, codes.FailedPrecondition},
		{"more of the 100th", &cartpb.AddRequest{Cart: "wide", Key: "k", Sku: "P99", Quantity: 1}, codes.OK},
		{"a repeated add to a full line", &cartpb.AddRequest{Cart: "full", Key: "k", Sku: "P1", Quantity: 99}, codes.OK},
	} {
		if _, err := one.Add(t.Context(), c.r); status.Code(err) != c.want {
			t.Errorf("%s: got %v, want %v", c.why, err, c.want)
		}
	}
}

// TestNoAcknowledgedAddIsLost kills a replica in the middle of a storm of adds,
// each of which is repeated until it is acknowledged.
func TestNoAcknowledgedAddIsLost(t *testing.T) {
	store := servetest.Postgres(t)
	doomed := proctest.Start(t, assignment(store, 1))
	address, _ := servetest.Start(t, cart.Run, assignment(store, 2))
	clients := []cartpb.CartClient{
		cartpb.NewCartClient(servetest.Dial(t, doomed.Address)), cartpb.NewCartClient(servetest.Dial(t, address))}

	const workers, each, carts = 8, 50, 3
	half := make(chan struct{}, workers)
	var work sync.WaitGroup
	for w := range workers {
		work.Go(func() {
			for i := range each {
				if i == each/2 {
					half <- struct{}{}
				}
				r := &cartpb.AddRequest{Cart: fmt.Sprintf("c%d", i%carts), Key: fmt.Sprintf("%d/%d", w, i), Sku: fmt.Sprintf("P%d", i), Quantity: 1}
				for try := w; ; try++ {
					_, err := clients[try%2].Add(context.Background(), r)
					if err == nil {
						break
					}
					if code := status.Code(err); code != codes.Unavailable {
						t.Errorf("add %s: %v", r.GetKey(), err)
						break
					}
				}
			}
		})
	}
	<-half // some are half way, all of them have adds under way
	doomed.Kill()
	work.Wait()

	conn := servetest.Connect(t, store)
	var keys, held int
	if err := conn.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM cart.audit_adds), (SELECT sum(quantity) FROM cart.audit_lines)`).
		Scan(&keys, &held); err != nil {
		t.Fatal(err)
	}
	if keys != workers*each || held != workers*each {
		t.Errorf("%d keys and %d products are there, want %d of both", keys, held, workers*each)
	}
}
