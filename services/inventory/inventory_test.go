package inventory_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/internal/answer"
	"github.com/bedlamlab/bedlam/services/internal/serve"
	"github.com/bedlamlab/bedlam/services/internal/servetest"
	"github.com/bedlamlab/bedlam/services/inventory"
	"github.com/bedlamlab/bedlam/services/inventory/inventorypb"
	"github.com/bedlamlab/bedlam/topology"
)

// shop is one database with replicas of inventory on it, without their
// servers: tests call the stores directly and at the same time.
type shop struct {
	db       *pgxpool.Pool
	replicas [2]*inventory.Store
}

const products = 60

// newShop returns a freshly stocked shop that holds reservations for ttl.
func newShop(t testing.TB, ttl time.Duration) *shop {
	t.Helper()
	dsn := servetest.Schema(t, "inventory", inventory.Migrations())
	s := &shop{db: servetest.Pool(t, dsn)}
	for i := range s.replicas {
		s.replicas[i] = inventory.NewStore(servetest.Pool(t, dsn), ttl)
		if err := s.replicas[i].Seed(t.Context(), products); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// audit reads the views as an auditor does, and requires what must hold for
// every product at any moment.
func (s *shop) audit(t interface{ Fatalf(string, ...any) }) {
	var sku string
	var initial, onHand, reserved, sold, held, committed int64
	rows, err := s.db.Query(context.Background(), `
		SELECT s.sku, initial, on_hand, reserved, sold,
		       COALESCE(sum(quantity) FILTER (WHERE state = 'held'), 0),
		       COALESCE(sum(quantity) FILTER (WHERE state = 'committed'), 0)
		FROM audit_stock AS s LEFT JOIN audit_reservations AS r ON r.sku = s.sku
		GROUP BY s.sku, initial, on_hand, reserved, sold`)
	if err != nil {
		t.Fatalf("reading the audit views: %v", err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		n++
		if err := rows.Scan(&sku, &initial, &onHand, &reserved, &sold, &held, &committed); err != nil {
			t.Fatalf("reading the audit views: %v", err)
		}
		if initial != onHand+sold || reserved > onHand || reserved != held || sold != committed {
			t.Fatalf("%s: initial %d, on hand %d, reserved %d, sold %d, but reservations hold %d and sold %d",
				sku, initial, onHand, reserved, sold, held, committed)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("reading the audit views: %v", err)
	}
	if n != products {
		t.Fatalf("the audit saw %d products, want %d", n, products)
	}
}

// want requires a status code, and for a refusal its reason.
func want(t testing.TB, what string, err error, code codes.Code, reason string) {
	t.Helper()
	got := status.Code(serve.Status(context.Background(), err))
	if got != code || answer.Reason(err) != reason {
		t.Errorf("%s: got %v %q (%v), want %v %q", what, got, answer.Reason(err), err, code, reason)
	}
}

func line(sku string, n int32) inventory.Line { return inventory.Line{SKU: sku, Quantity: n} }

func (s *shop) available(t testing.TB, sku string) int64 {
	t.Helper()
	n, err := s.replicas[0].Available(t.Context(), sku)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSeed(t *testing.T) {
	s := newShop(t, time.Hour)
	for sku, n := range map[string]int64{"P00001": inventory.Plenty, "P00005": inventory.Scarce, "P00012": inventory.Scarce,
		"P00025": inventory.Scarce, "P00040": inventory.Scarce, "P00060": inventory.Scarce, "P00059": inventory.Plenty} {
		if got := s.available(t, sku); got != n {
			t.Errorf("%s: %d available, want %d", sku, got, n)
		}
	}
	if _, err := s.replicas[0].Reserve(t.Context(), "o-1", []inventory.Line{line("P00005", 7)}); err != nil {
		t.Fatal(err)
	}
	if err := s.replicas[1].Seed(t.Context(), products); err != nil {
		t.Fatal(err)
	}
	if got := s.available(t, "P00005"); got != inventory.Scarce-7 {
		t.Errorf("after stocking again: %d available, want %d: what is there stays", got, inventory.Scarce-7)
	}
	if _, err := s.replicas[0].Available(t.Context(), "P00061"); status.Code(err) != codes.NotFound {
		t.Errorf("a product that is not stocked: %v, want NOT_FOUND", err)
	}
	if err := s.replicas[0].Seed(t.Context(), inventory.MaxProducts+1); err == nil {
		t.Error("more products than SKUs were stocked")
	}
	s.audit(t)
}

// TestLife walks the diagram of the package comment.
func TestLife(t *testing.T) {
	s := newShop(t, time.Hour)
	a, b := s.replicas[0], s.replicas[1]
	ctx := t.Context()
	lines := []inventory.Line{line("P00012", 3), line("P00001", 2)}
	same := []inventory.Line{line("P00001", 2), line("P00012", 3)}

	first, err := a.Reserve(ctx, "o-1", lines)
	want(t, "reserve", err, codes.OK, "")
	again, err := b.Reserve(ctx, "o-1", same)
	want(t, "reserve again, on the other replica, in another order of lines", err, codes.OK, "")
	if again != first || first.State != inventory.Held {
		t.Errorf("got %+v, then %+v", first, again)
	}
	_, err = a.Reserve(ctx, "o-1", []inventory.Line{line("P00001", 2)})
	want(t, "reserve other lines", err, codes.InvalidArgument, "")
	if got := s.available(t, "P00012"); got != inventory.Scarce-3 {
		t.Errorf("available: %d", got)
	}
	for range 2 {
		r, err := a.Commit(ctx, "o-1")
		want(t, "commit", err, codes.OK, "")
		if r.State != inventory.Committed {
			t.Errorf("committed: got %+v", r)
		}
		s.audit(t)
	}
	again, err = b.Reserve(ctx, "o-1", lines)
	want(t, "reserve what is sold", err, codes.OK, "")
	if again.State != inventory.Committed {
		t.Errorf("reserve what is sold: got %+v", again)
	}
	for range 2 {
		r, err := b.Release(ctx, "o-1")
		want(t, "release what is sold", err, codes.OK, "")
		if r.State != inventory.Released {
			t.Errorf("released: got %+v", r)
		}
		s.audit(t)
	}
	if got := s.available(t, "P00012"); got != inventory.Scarce {
		t.Errorf("available after the release: %d", got)
	}
	_, err = a.Commit(ctx, "o-1")
	want(t, "commit what was released", err, codes.FailedPrecondition, inventory.ReasonReleased)
	_, err = a.Reserve(ctx, "o-1", lines)
	want(t, "reserve what was released", err, codes.FailedPrecondition, inventory.ReasonReleased)

	_, err = a.Release(ctx, "o-2")
	want(t, "release what was never reserved", err, codes.OK, "")
	_, err = b.Reserve(ctx, "o-2", lines)
	want(t, "late reserve", err, codes.FailedPrecondition, inventory.ReasonReleased)
	_, err = b.Commit(ctx, "o-3")
	want(t, "commit what was never reserved", err, codes.FailedPrecondition, inventory.ReasonNotReserved)
	s.audit(t)
}

func TestAllOrNothing(t *testing.T) {
	s := newShop(t, time.Hour)
	ctx := t.Context()
	_, err := s.replicas[0].Reserve(ctx, "o-1", []inventory.Line{line("P00001", 1), line("P00005", inventory.Scarce+1)})
	want(t, "one line of two is short", err, codes.FailedPrecondition, inventory.ReasonSoldOut)
	_, err = s.replicas[0].Reserve(ctx, "o-2", []inventory.Line{line("P00001", 1), line("X", 1)})
	want(t, "one product of two does not exist", err, codes.FailedPrecondition, inventory.ReasonUnknownSKU)
	if got := s.available(t, "P00001"); got != inventory.Plenty {
		t.Errorf("a refused order holds %d of its other line", inventory.Plenty-got)
	}
	_, err = s.replicas[0].Reserve(ctx, "o-1", []inventory.Line{line("P00005", inventory.Scarce)})
	want(t, "a refused order may be asked for again, smaller", err, codes.OK, "")
	s.audit(t)
}

func TestValidation(t *testing.T) {
	s := newShop(t, time.Hour)
	many := make([]inventory.Line, inventory.MaxLines+1)
	for _, r := range []struct {
		why   string
		order string
		lines []inventory.Line
	}{
		{"no order", "", []inventory.Line{line("P00001", 1)}},
		{"an order that PostgreSQL cannot store", "o\x00", []inventory.Line{line("P00001", 1)}},
		{"no lines", "o", nil},
		{"too many lines", "o", many},
		{"no quantity", "o", []inventory.Line{line("P00001", 0)}},
		{"a negative quantity would add stock", "o", []inventory.Line{line("P00001", -1)}},
		{"too much", "o", []inventory.Line{line("P00001", 100)}},
		{"no product", "o", []inventory.Line{line("", 1)}},
		{"a product twice", "o", []inventory.Line{line("P00001", 1), line("P00001", 1)}},
	} {
		_, err := s.replicas[0].Reserve(t.Context(), r.order, r.lines)
		want(t, r.why, err, codes.InvalidArgument, "")
	}
	s.audit(t)
}

func TestExpiry(t *testing.T) {
	s := newShop(t, time.Millisecond) // over its time as soon as anybody looks
	a, b := s.replicas[0], s.replicas[1]
	ctx := t.Context()
	all := []inventory.Line{line("P00005", inventory.Scarce)}
	expire := func() {
		t.Helper()
		reapers := []*inventory.Reaper{inventory.NewReaper(a, nil), inventory.NewReaper(b, nil)}
		for s.available(t, "P00005") == 0 {
			for _, r := range reapers {
				if _, err := r.Once(ctx); err != nil {
					t.Fatal(err)
				}
			}
		}
		s.audit(t)
	}

	_, err := a.Reserve(ctx, "o-1", all)
	want(t, "reserve", err, codes.OK, "")
	expire()
	r, err := b.Commit(ctx, "o-1")
	want(t, "commit what expired, with stock left", err, codes.OK, "")
	if r.State != inventory.Committed || s.available(t, "P00005") != 0 {
		t.Errorf("got %+v with %d available", r, s.available(t, "P00005"))
	}
	_, err = a.Release(ctx, "o-1")
	want(t, "release", err, codes.OK, "")

	_, err = a.Reserve(ctx, "o-2", all)
	want(t, "reserve", err, codes.OK, "")
	expire()
	r, err = a.Reserve(ctx, "o-2", all)
	want(t, "reserve what expired, with stock left", err, codes.OK, "")
	if r.State != inventory.Held {
		t.Errorf("held anew: got %+v", r)
	}
	expire()
	_, err = patient(s).Reserve(ctx, "o-3", all)
	want(t, "another order takes what expired", err, codes.OK, "")
	_, err = a.Commit(ctx, "o-2")
	want(t, "commit what expired, and its stock is gone", err, codes.FailedPrecondition, inventory.ReasonSoldOut)
	_, err = a.Reserve(ctx, "o-2", all)
	want(t, "reserve what expired, and its stock is gone", err, codes.FailedPrecondition, inventory.ReasonSoldOut)
	_, err = a.Release(ctx, "o-2")
	want(t, "release what expired", err, codes.OK, "")
	s.audit(t)
	if got := s.available(t, "P00005"); got != 0 {
		t.Errorf("releasing an expired order gave back %d of another's", got)
	}
}

// patient returns a store on the same database that holds for an hour.
func patient(s *shop) *inventory.Store { return inventory.NewStore(s.db, time.Hour) }

// TestService goes through the wire and the reaper that runs beside it.
func TestService(t *testing.T) {
	dsn := servetest.Postgres(t)
	address, _ := servetest.Start(t, inventory.Run, topology.Assignment{
		Instance: topology.Instance{Service: "inventory"}, Store: dsn,
		Settings: map[string]string{"products": "60", "seed": "1", "reservation_ttl": "50ms"},
	})
	c := inventorypb.NewInventoryClient(servetest.Dial(t, address))
	ctx := t.Context()
	r, err := c.Reserve(ctx, &inventorypb.ReserveRequest{Order: "o-1", Lines: []*inventorypb.Line{{Sku: "P00005", Quantity: 1}}})
	if err != nil || r.GetState() != "held" || r.GetExpiresUnixMs() == 0 {
		t.Fatalf("reserve: %v, %v", r, err)
	}
	for available := int64(0); available != inventory.Scarce; {
		stock, err := c.Stock(ctx, &inventorypb.StockRequest{Sku: "P00005"})
		if err != nil {
			t.Fatal(err)
		}
		available = stock.GetAvailable()
	}
	if r, err = c.Commit(ctx, &inventorypb.ReservationRequest{Order: "o-1"}); err != nil || r.GetState() != "committed" {
		t.Errorf("commit: %v, %v", r, err)
	}
	if r, err = c.Release(ctx, &inventorypb.ReservationRequest{Order: "o-1"}); err != nil || r.GetState() != "released" {
		t.Errorf("release: %v, %v", r, err)
	}
	_, err = c.Commit(ctx, &inventorypb.ReservationRequest{Order: "o-1"})
	want(t, "commit what was released", err, codes.FailedPrecondition, inventory.ReasonReleased)
	_, err = c.Release(ctx, &inventorypb.ReservationRequest{})
	want(t, "release nothing", err, codes.InvalidArgument, "")
}

func TestSettings(t *testing.T) {
	dsn := servetest.Postgres(t)
	for _, settings := range []map[string]string{
		nil,
		{"products": "60"},
		{"products": "60", "reservation_ttl": "0s"},
		{"products": "0", "reservation_ttl": "20s"},
		{"products": "many", "reservation_ttl": "20s"},
	} {
		err := inventory.Run(t.Context(), topology.Assignment{
			Instance: topology.Instance{Service: "inventory", Name: "inventory-1"}, Listen: servetest.Address(t),
			Store: dsn, Settings: settings,
		})
		if err == nil {
			t.Errorf("it ran with the settings %v", settings)
		}
	}
}
