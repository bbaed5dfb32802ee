package catalog

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/bedlamlab/bedlam/services/catalog/catalogpb"
)

const (
	usualPage = 20
	// maxPage keeps an answer below about 40 kB.
	maxPage = 100
)

type server struct {
	catalogpb.UnimplementedCatalogServer
	cache *cache
}

// List implements the contract.
func (s *server) List(ctx context.Context, r *catalogpb.ListRequest) (*catalogpb.ListResponse, error) {
	limit, offset := int(r.GetLimit()), int(r.GetOffset())
	if limit == 0 {
		limit = usualPage
	}
	if limit < 1 || limit > maxPage || offset < 0 {
		return nil, status.Errorf(codes.InvalidArgument, "want a limit of 1 to %d and an offset of at least 0, got %d and %d", maxPage, limit, offset)
	}
	now, stale, err := s.cache.get(ctx)
	if err != nil {
		return nil, err
	}
	all := now.products
	if r.GetCategory() != "" {
		all = now.byCategory[r.GetCategory()]
	}
	from := min(offset, len(all))
	page := all[from:min(from+limit, len(all))]
	return &catalogpb.ListResponse{Products: marked(page, stale), Total: int32(len(all)), Stale: stale}, nil
}

// Get implements the contract.
func (s *server) Get(ctx context.Context, r *catalogpb.GetRequest) (*catalogpb.Product, error) {
	now, stale, err := s.cache.get(ctx)
	if err != nil {
		return nil, err
	}
	p, ok := now.bySKU[r.GetSku()]
	if !ok {
		return nil, status.Errorf(codes.NotFound, "there is no product %q", r.GetSku())
	}
	return marked([]*catalogpb.Product{p}, stale)[0], nil
}

// GetMany implements the contract.
func (s *server) GetMany(ctx context.Context, r *catalogpb.GetManyRequest) (*catalogpb.GetManyResponse, error) {
	if n := len(r.GetSkus()); n > maxPage {
		return nil, status.Errorf(codes.InvalidArgument, "want at most %d SKUs, got %d", maxPage, n)
	}
	now, stale, err := s.cache.get(ctx)
	if err != nil {
		return nil, err
	}
	found := make([]*catalogpb.Product, 0, len(r.GetSkus()))
	for _, sku := range r.GetSkus() {
		if p, ok := now.bySKU[sku]; ok {
			found = append(found, p)
		}
	}
	return &catalogpb.GetManyResponse{Products: marked(found, stale)}, nil
}

// marked returns the products, as copies that say so if they are stale: those
// of the snapshot belong to all requests.
func marked(products []*catalogpb.Product, stale bool) []*catalogpb.Product {
	if !stale {
		return products
	}
	copies := make([]*catalogpb.Product, len(products))
	for i, p := range products {
		copies[i] = proto.CloneOf(p)
		copies[i].Stale = true
	}
	return copies
}
