package shipping_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/internal/servetest"
	"github.com/bedlamlab/bedlam/services/shipping"
	"github.com/bedlamlab/bedlam/services/shipping/shippingpb"
	"github.com/bedlamlab/bedlam/topology"
)

func shop(t *testing.T) (store string, replicas [2]shippingpb.ShippingClient) {
	t.Helper()
	store = servetest.Postgres(t)
	for i := range replicas {
		address, _ := servetest.Start(t, shipping.Run, topology.Assignment{System: "test", Store: store, StoreInstance: "postgres-1",
			Instance: topology.Instance{Name: fmt.Sprintf("shipping-%d", i+1), Service: "shipping", Replica: i + 1}})
		replicas[i] = shippingpb.NewShippingClient(servetest.Dial(t, address))
	}
	return store, replicas
}

func paid(event, order string) *shippingpb.DeliverRequest {
	return &shippingpb.DeliverRequest{Event: event, Order: order, Type: "order.paid", Payload: []byte(`{"order":"` + order + `"}`)}
}

// TestOnce delivers the same events to both replicas at once, many times.
func TestOnce(t *testing.T) {
	store, replicas := shop(t)
	const orders, times = 5, 10
	var mu sync.Mutex
	shipments := map[string]map[string]bool{}
	firsts := 0
	var work sync.WaitGroup
	for i := range orders * times {
		work.Go(func() {
			order := fmt.Sprintf("o-%d", i%orders)
			got, err := replicas[i/orders%2].Deliver(context.Background(), paid(order+".1", order))
			if err != nil {
				t.Errorf("delivering %s: %v", order, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if shipments[order] == nil {
				shipments[order] = map[string]bool{}
			}
			shipments[order][got.GetShipment()] = true
			if !got.GetRepeatedEvent() {
				firsts++
			}
		})
	}
	work.Wait()
	for order, ids := range shipments {
		if len(ids) != 1 || ids[""] {
			t.Errorf("order %s was answered with the shipments %v, want one", order, ids)
		}
	}
	if firsts != orders {
		t.Errorf("%d deliveries were called the first of their event, want %d", firsts, orders)
	}
	events, sent := audit(t, store)
	if events != orders || sent != orders {
		t.Errorf("the audit sees %d events and %d shipments, want %d of both", events, sent, orders)
	}
}

func TestSecondEventOfAnOrderShipsNothing(t *testing.T) {
	store, replicas := shop(t)
	first, err := replicas[0].Deliver(t.Context(), paid("o-1.1", "o-1"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := replicas[1].Deliver(t.Context(), paid("o-1.2", "o-1"))
	if err != nil {
		t.Fatal(err)
	}
	if second.GetShipment() != first.GetShipment() || second.GetRepeatedEvent() {
		t.Errorf("got %v, want the shipment %s for a new event", second, first.GetShipment())
	}
	if events, sent := audit(t, store); events != 2 || sent != 1 {
		t.Errorf("the audit sees %d events and %d shipments, want 2 and 1", events, sent)
	}
}

func TestRefusals(t *testing.T) {
	store, replicas := shop(t)
	if _, err := replicas[0].Deliver(t.Context(), paid("o-1.1", "o-1")); err != nil {
		t.Fatal(err)
	}
	with := func(change func(*shippingpb.DeliverRequest)) *shippingpb.DeliverRequest {
		r := paid("o-2.1", "o-2")
		change(r)
		return r
	}
	for _, c := range []struct {
		why  string
		r    *shippingpb.DeliverRequest
		want codes.Code
	}{
		{"no event", with(func(r *shippingpb.DeliverRequest) { r.Event = "" }), codes.InvalidArgument},
		{"no order", with(func(r *shippingpb.DeliverRequest) { r.Order = "" }), codes.InvalidArgument},
		{"a type nobody ships", with(func(r *shippingpb.DeliverRequest) { r.Type = "order.seen" }), codes.InvalidArgument},
		{"no JSON", with(func(r *shippingpb.DeliverRequest) { r.Payload = []byte("{") }), codes.InvalidArgument},
		{"JSON in no UTF-8", with(func(r *shippingpb.DeliverRequest) { r.Payload = []byte("\"\xff\"") }), codes.InvalidArgument},
		{"too much", with(func(r *shippingpb.DeliverRequest) { r.Payload = make([]byte, 1<<20) }), codes.InvalidArgument},
		{"an id that stands for another event", paid("o-1.1", "o-2"), codes.FailedPrecondition},
	} {
		if _, err := replicas[0].Deliver(t.Context(), c.r); status.Code(err) != c.want {
			t.Errorf("%s: got %v, want %v", c.why, err, c.want)
		}
	}
	if events, sent := audit(t, store); events != 1 || sent != 1 {
		t.Errorf("after refusals the audit sees %d events and %d shipments, want 1 of both", events, sent)
	}
}

func audit(t *testing.T, store string) (events, shipments int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM shipping.audit_inbox), (SELECT count(*) FROM shipping.audit_shipments)`).
		Scan(&events, &shipments); err != nil {
		t.Fatal(err)
	}
	return events, shipments
}
