package recommend

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/recommend/recommendpb"
)

// usualLimit is one row of a page.
const usualLimit = 5

type server struct {
	recommendpb.UnimplementedRecommendServer
	current *holder
}

// For implements the contract.
func (s *server) For(_ context.Context, r *recommendpb.ForRequest) (*recommendpb.ForResponse, error) {
	limit := int(r.GetLimit())
	if limit == 0 {
		limit = usualLimit
	}
	if limit < 1 || limit > most {
		return nil, status.Errorf(codes.InvalidArgument, "want a limit of 1 to %d, got %d", most, limit)
	}
	m := s.current.Load()
	if m == nil {
		return nil, status.Error(codes.Unavailable, "nothing learnt yet")
	}
	return &recommendpb.ForResponse{Skus: m.suggest(r.GetSku(), limit)}, nil
}
