package recommend_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/catalog/catalogpb"
	"github.com/bedlamlab/bedlam/services/internal/call"
	"github.com/bedlamlab/bedlam/services/internal/servetest"
	"github.com/bedlamlab/bedlam/services/recommend"
	"github.com/bedlamlab/bedlam/services/recommend/recommendpb"
	"github.com/bedlamlab/bedlam/topology"
)

// shelf is a catalogue of 250 products in three categories, that can be away.
type shelf struct {
	catalogpb.UnimplementedCatalogServer
	away   atomic.Bool
	inVain chan struct{} // holds one when it was asked while it was away; may be nil
}

const products = 250

func category(rank int) string { return []string{"tea", "cups", "spoons"}[rank%3] }

func (s *shelf) List(_ context.Context, r *catalogpb.ListRequest) (*catalogpb.ListResponse, error) {
	if s.away.Load() {
		select {
		case s.inVain <- struct{}{}:
		default:
		}
		return nil, status.Error(codes.Unavailable, "away")
	}
	page := &catalogpb.ListResponse{Total: products}
	for rank := int(r.GetOffset()) + 1; rank <= min(int(r.GetOffset()+r.GetLimit()), products); rank++ {
		page.Products = append(page.Products, &catalogpb.Product{Sku: sku(rank), Rank: int32(rank), Category: category(rank), Price: int64(rank)})
	}
	return page, nil
}

func sku(rank int) string { return fmt.Sprintf("P%05d", rank) }

// start starts a catalogue and a replica of recommend that asks it.
func start(t *testing.T, s *shelf) recommendpb.RecommendClient {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer(call.AllowKeepalive())
	catalogpb.RegisterCatalogServer(g, s)
	go g.Serve(l)
	t.Cleanup(g.Stop)
	address, _ := servetest.Start(t, recommend.Run, topology.Assignment{
		System: "shop", Instance: topology.Instance{Service: "recommend"},
		Peers: map[string][]topology.Peer{"catalog": {{Instance: "catalog-1", Address: l.Addr().String()}}},
	})
	return recommendpb.NewRecommendClient(servetest.Dial(t, address))
}

// learnt waits for the first model.
func learnt(t *testing.T, c recommendpb.RecommendClient) {
	t.Helper()
	servetest.Await(t, "a model", func() bool {
		_, err := c.For(t.Context(), &recommendpb.ForRequest{})
		return err == nil
	})
}

func TestSuggestions(t *testing.T) {
	c := start(t, &shelf{})
	learnt(t, c)
	suggest := func(sku string, limit int32) []string {
		t.Helper()
		answer, err := c.For(t.Context(), &recommendpb.ForRequest{Sku: sku, Limit: limit})
		if err != nil {
			t.Fatal(err)
		}
		return answer.GetSkus()
	}
	t.Run("for a visitor: the best of each category in turn", func(t *testing.T) {
		if got, want := suggest("", 5), []string{sku(1), sku(2), sku(3), sku(4), sku(5)}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
	t.Run("for a product: others of its own category", func(t *testing.T) {
		for _, limit := range []int32{1, 5, 20} {
			got := suggest(sku(30), limit)
			if len(got) != int(limit) || slices.Contains(got, sku(30)) {
				t.Errorf("got %v, want %d others", got, limit)
			}
			for _, g := range got {
				var rank int
				if _, err := fmt.Sscanf(g, "P%05d", &rank); err != nil || category(rank) != category(30) {
					t.Errorf("%s is of another category", g)
				}
			}
		}
	})
	t.Run("for a product nobody knows: as for a visitor", func(t *testing.T) {
		if got := suggest("nothing", 0); !slices.Equal(got, suggest("", 5)) {
			t.Errorf("got %v", got)
		}
	})
	t.Run("the same question, the same answer", func(t *testing.T) {
		if a, b := suggest(sku(7), 20), suggest(sku(7), 20); !slices.Equal(a, b) {
			t.Errorf("got %v, then %v", a, b)
		}
	})
	t.Run("a limit out of range is refused", func(t *testing.T) {
		for _, limit := range []int32{-1, 21} {
			if _, err := c.For(t.Context(), &recommendpb.ForRequest{Limit: limit}); status.Code(err) != codes.InvalidArgument {
				t.Errorf("limit %d: got %v, want INVALID_ARGUMENT", limit, err)
			}
		}
	})
}

// TestItStartsWithoutACatalogue: start has waited for health already.
func TestItStartsWithoutACatalogue(t *testing.T) {
	s := &shelf{inVain: make(chan struct{}, 1)}
	s.away.Store(true)
	c := start(t, s)
	if _, err := c.For(t.Context(), &recommendpb.ForRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("got %v, want UNAVAILABLE", err)
	}
	<-s.inVain
	s.away.Store(false)
	learnt(t, c)
	// What it has learnt it keeps.
	s.away.Store(true)
	if _, err := c.For(t.Context(), &recommendpb.ForRequest{}); err != nil {
		t.Error(err)
	}
}
