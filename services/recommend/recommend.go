// Package recommend suggests products, out of a model in memory that it
// learns from the catalogue. It starts, and stays ready, without one: then it
// answers UNAVAILABLE until the catalogue has answered. [Run] runs it.
package recommend

import (
	"context"

	"google.golang.org/grpc"

	"github.com/bedlamlab/bedlam/services/catalog/catalogpb"
	"github.com/bedlamlab/bedlam/services/internal/serve"
	"github.com/bedlamlab/bedlam/services/recommend/recommendpb"
	"github.com/bedlamlab/bedlam/topology"
)

// Run serves recommendations until ctx is done.
func Run(ctx context.Context, a topology.Assignment) error {
	var current holder
	return serve.Run(ctx, a, serve.Service{
		Name: "recommend",
		Register: func(_ context.Context, _ *serve.Env, s *grpc.Server) error {
			recommendpb.RegisterRecommendServer(s, &server{current: &current})
			return nil
		},
		Background: []func(context.Context, *serve.Env) error{
			func(ctx context.Context, e *serve.Env) error {
				learn(ctx, catalogpb.NewCatalogClient(e.Peer("catalog")), &current, e.Log)
				return nil
			},
		},
	})
}
