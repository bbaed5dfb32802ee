package catalog_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/bedlamlab/bedlam/services/catalog"
	"github.com/bedlamlab/bedlam/services/catalog/catalogpb"
	"github.com/bedlamlab/bedlam/services/internal/servetest"
	"github.com/bedlamlab/bedlam/topology"
)

// assignment is a small catalogue on a store, with clocks made for tests.
func assignment(dsn string, replica int) topology.Assignment {
	return topology.Assignment{
		System:   "shop",
		Instance: topology.Instance{Name: fmt.Sprintf("catalog-%d", replica), Service: "catalog", Replica: replica},
		Store:    dsn,
		Settings: map[string]string{"products": "120", "seed": "7", "cache_ttl": "50ms", "stale_limit": "1m"},
	}
}

func start(t *testing.T, a topology.Assignment) catalogpb.CatalogClient {
	t.Helper()
	address, _ := servetest.Start(t, catalog.Run, a)
	return catalogpb.NewCatalogClient(servetest.Dial(t, address))
}

func exec(t *testing.T, conn *pgx.Conn, statement string) {
	t.Helper()
	if _, err := conn.Exec(context.Background(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// TestReplicasFillOneCatalogue starts two replicas at once on an empty store.
func TestReplicasFillOneCatalogue(t *testing.T) {
	dsn := servetest.Postgres(t)
	clients := make([]catalogpb.CatalogClient, 2)
	t.Run("start", func(t *testing.T) {
		for i := range clients {
			t.Run(fmt.Sprint(i+1), func(t *testing.T) { t.Parallel(); start(t, assignment(dsn, i+1)) })
		}
	})
	// They have drained; what they made is still there, and is found again.
	clients[0], clients[1] = start(t, assignment(dsn, 1)), start(t, assignment(dsn, 2))
	var pages []*catalogpb.ListResponse
	for _, c := range clients {
		page, err := c.List(t.Context(), &catalogpb.ListRequest{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, page)
	}
	if diff := cmp.Diff(pages[0], pages[1], protocmp.Transform()); diff != "" {
		t.Errorf("the replicas disagree (-1 +2):\n%s", diff)
	}
	if got, want := pages[0].GetTotal(), int32(120); got != want {
		t.Errorf("total: got %d, want %d", got, want)
	}
	for i, p := range pages[0].GetProducts() {
		want := fmt.Sprintf("P%05d", i+1)
		if p.GetSku() != want || p.GetRank() != int32(i+1) || p.GetPrice() < 1 || p.GetName() == "" {
			t.Errorf("product %d: got %v, want SKU %s, rank %d, a price and a name", i, p, want, i+1)
		}
		scarce := map[int]bool{5: true, 12: true, 25: true, 40: true, 60: true}[i+1]
		if p.GetScarce() != scarce {
			t.Errorf("%s: got scarce %t, want %t", p.GetSku(), p.GetScarce(), scarce)
		}
	}
}

func TestAnswers(t *testing.T) {
	c := start(t, assignment(servetest.Postgres(t), 1))
	ctx := t.Context()
	t.Run("pages join up", func(t *testing.T) {
		seen := map[string]bool{}
		for offset := int32(0); ; {
			page, err := c.List(ctx, &catalogpb.ListRequest{Offset: offset, Limit: 50})
			if err != nil {
				t.Fatal(err)
			}
			if len(page.GetProducts()) == 0 {
				break
			}
			for _, p := range page.GetProducts() {
				seen[p.GetSku()] = true
			}
			offset += int32(len(page.GetProducts()))
		}
		if len(seen) != 120 {
			t.Errorf("pages hold %d different products, want 120", len(seen))
		}
	})
	t.Run("a category holds only its own", func(t *testing.T) {
		page, err := c.List(ctx, &catalogpb.ListRequest{Category: "books", Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.GetProducts()) == 0 || int(page.GetTotal()) != len(page.GetProducts()) {
			t.Errorf("got %d books of %d, want all of some", len(page.GetProducts()), page.GetTotal())
		}
		for _, p := range page.GetProducts() {
			if p.GetCategory() != "books" {
				t.Errorf("%s is of %s", p.GetSku(), p.GetCategory())
			}
		}
	})
	t.Run("many keep their order, unknown ones are left out", func(t *testing.T) {
		many, err := c.GetMany(ctx, &catalogpb.GetManyRequest{Skus: []string{"P00003", "nothing", "P00001"}})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range many.GetProducts() {
			got = append(got, p.GetSku())
		}
		if diff := cmp.Diff([]string{"P00003", "P00001"}, got); diff != "" {
			t.Error(diff)
		}
	})
	refused := []struct {
		why  string
		ask  func() error
		want codes.Code
	}{
		{"an unknown product", func() error { _, err := c.Get(ctx, &catalogpb.GetRequest{Sku: "P99999"}); return err }, codes.NotFound},
		{"a page too large", func() error { _, err := c.List(ctx, &catalogpb.ListRequest{Limit: 101}); return err }, codes.InvalidArgument},
		{"a page before the first", func() error { _, err := c.List(ctx, &catalogpb.ListRequest{Offset: -1}); return err }, codes.InvalidArgument},
		{"too many at once", func() error {
			_, err := c.GetMany(ctx, &catalogpb.GetManyRequest{Skus: make([]string, 101)})
			return err
		}, codes.InvalidArgument},
	}
	for _, r := range refused {
		t.Run(r.why, func(t *testing.T) {
			if got := status.Code(r.ask()); got != r.want {
				t.Errorf("got %v, want %v", got, r.want)
			}
		})
	}
}

// TestStale takes the store's table away and gives it back.
func TestStale(t *testing.T) {
	dsn := servetest.Postgres(t)
	c := start(t, assignment(dsn, 1))
	owner := servetest.Connect(t, dsn)
	stale := func() (bool, int64) {
		p, err := c.Get(t.Context(), &catalogpb.GetRequest{Sku: "P00001"})
		if err != nil {
			t.Fatalf("with a copy in memory, Get must not fail: %v", err)
		}
		return p.GetStale(), p.GetPrice()
	}
	if got, _ := stale(); got {
		t.Fatal("the first answer is stale")
	}
	exec(t, owner, "ALTER TABLE catalog.products RENAME TO gone")
	servetest.Await(t, "a stale answer", func() bool { got, _ := stale(); return got })
	exec(t, owner, "UPDATE catalog.gone SET price = 4711 WHERE sku = 'P00001'")
	exec(t, owner, "ALTER TABLE catalog.gone RENAME TO products")
	servetest.Await(t, "the new price, not stale", func() bool { got, price := stale(); return !got && price == 4711 })
}

// TestStaleWhenTheStoreHangs blocks the table instead: the answer must come
// long before the store's.
func TestStaleWhenTheStoreHangs(t *testing.T) {
	dsn := servetest.Postgres(t)
	c := start(t, assignment(dsn, 1))
	if _, err := c.Get(t.Context(), &catalogpb.GetRequest{Sku: "P00001"}); err != nil {
		t.Fatal(err)
	}
	owner := servetest.Connect(t, dsn)
	exec(t, owner, "BEGIN; LOCK TABLE catalog.products IN ACCESS EXCLUSIVE MODE")
	servetest.Await(t, "a stale answer", func() bool {
		p, err := c.Get(t.Context(), &catalogpb.GetRequest{Sku: "P00001"})
		return err == nil && p.GetStale()
	})
	exec(t, owner, "ROLLBACK")
	servetest.Await(t, "a fresh answer", func() bool {
		p, err := c.Get(t.Context(), &catalogpb.GetRequest{Sku: "P00001"})
		return err == nil && !p.GetStale()
	})
}

// TestStaleLimit shows that an old copy is not good for ever.
func TestStaleLimit(t *testing.T) {
	dsn := servetest.Postgres(t)
	a := assignment(dsn, 1)
	a.Settings["stale_limit"] = "60ms"
	c := start(t, a)
	if _, err := c.Get(t.Context(), &catalogpb.GetRequest{Sku: "P00001"}); err != nil {
		t.Fatal(err)
	}
	exec(t, servetest.Connect(t, dsn), "ALTER TABLE catalog.products RENAME TO gone")
	servetest.Await(t, "UNAVAILABLE", func() bool {
		_, err := c.Get(t.Context(), &catalogpb.GetRequest{Sku: "P00001"})
		return status.Code(err) == codes.Unavailable
	})
}

func TestAudit(t *testing.T) {
	dsn := servetest.Postgres(t)
	start(t, assignment(dsn, 1))
	conn := servetest.Connect(t, dsn)
	exec(t, conn, "SET ROLE audit")
	var products int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM catalog.audit_products WHERE price > 0").Scan(&products); err != nil || products != 120 {
		t.Errorf("audit_products: got %d (%v), want 120", products, err)
	}
	if _, err := conn.Exec(t.Context(), "SELECT FROM catalog.products"); err == nil {
		t.Error("the role audit may read the table itself")
	}
}
