package gateway

import (
	"context"
	"net/http"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/catalog/catalogpb"
	"github.com/bedlamlab/bedlam/services/internal/call"
	"github.com/bedlamlab/bedlam/services/recommend/recommendpb"
)

const (
	featured  = 8 // two rows of four
	suggested = 5 // one row
)

// staticList is what is recommended when neither recommendations nor the
// catalogue answer: the products that have always sold best. Their prices are
// not known here, so none are claimed.
var staticList = []product{{SKU: "P00001"}, {SKU: "P00002"}, {SKU: "P00003"}, {SKU: "P00004"}, {SKU: "P00006"}}

// front is what the home page shows.
type front struct {
	Featured    []product `json:"featured"`
	Recommended []product `json:"recommended"`
}

// front asks the catalogue, without which there is no home page, and at the
// same time for recommendations, without which there is one all the same:
// then the best-sellers that follow the featured ones stand in their place.
func (s *shop) front(ctx context.Context, h http.Header) (front, error) {
	var (
		work   sync.WaitGroup
		chosen []*catalogpb.Product
		failed error
	)
	work.Go(func() { chosen, failed = s.recommended(ctx, "") })
	answer, err := s.catalog.List(ctx, &catalogpb.ListRequest{Limit: featured + suggested})
	work.Wait()
	if err != nil {
		return front{}, err
	}
	markStale(h, answer.GetStale())
	best := answer.GetProducts()
	cut := min(featured, len(best))
	if failed != nil {
		call.Fallback(ctx, "recommend")
		degrade(h, "recommend", "best-sellers")
		chosen = best[cut:]
	}
	for _, p := range chosen {
		markStale(h, p.GetStale())
	}
	return front{Featured: showAll(best[:cut]), Recommended: showAll(chosen)}, nil
}

// recommended asks for suggestions and looks them up.
func (s *shop) recommended(ctx context.Context, sku string) ([]*catalogpb.Product, error) {
	ids, err := s.recommend.For(ctx, &recommendpb.ForRequest{Sku: sku, Limit: suggested})
	if err != nil {
		return nil, err
	}
	if len(ids.GetSkus()) == 0 {
		return nil, nil
	}
	answer, err := s.catalog.GetMany(ctx, &catalogpb.GetManyRequest{Skus: ids.GetSkus()})
	if err != nil {
		return nil, err
	}
	return answer.GetProducts(), nil
}

// related never fails but for a request that is wrong or has run out of time:
// best-sellers, then the static list, stand in for suggestions.
func (s *shop) related(ctx context.Context, h http.Header, sku string) ([]product, error) {
	chosen, err := s.recommended(ctx, sku)
	if err == nil {
		for _, p := range chosen {
			markStale(h, p.GetStale())
		}
		return showAll(chosen), nil
	}
	if status.Code(err) == codes.InvalidArgument || ctx.Err() != nil {
		return nil, err
	}
	call.Fallback(ctx, "recommend")
	answer, err := s.catalog.List(ctx, &catalogpb.ListRequest{Limit: suggested + 1})
	if err != nil {
		call.Fallback(ctx, "catalog")
		degrade(h, "recommend", "static")
		return staticList, nil
	}
	markStale(h, answer.GetStale())
	degrade(h, "recommend", "best-sellers")
	others := make([]product, 0, suggested)
	for _, p := range answer.GetProducts() {
		if p.GetSku() != sku && len(others) < suggested {
			others = append(others, show(p))
		}
	}
	return others, nil
}

func (s *shop) apiHome(w http.ResponseWriter, r *http.Request) error {
	f, err := s.front(r.Context(), w.Header())
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, f)
	return nil
}

func (s *shop) apiRecommendations(w http.ResponseWriter, r *http.Request) error {
	products, err := s.related(r.Context(), w.Header(), r.URL.Query().Get("sku"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string][]product{"products": products})
	return nil
}
