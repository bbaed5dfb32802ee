package inventory

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/grpc"

	"github.com/bedlamlab/bedlam/services/internal/serve"
	"github.com/bedlamlab/bedlam/services/inventory/inventorypb"
	"github.com/bedlamlab/bedlam/topology"
)

// Run runs inventory as a says, until ctx is done and it has drained. Its
// settings: products, how many are stocked, 1 to [MaxProducts];
// reservation_ttl, such as "20s", for how long a reservation is held. The
// catalogue's seed does not matter here: stock depends on the rank alone.
func Run(ctx context.Context, a topology.Assignment) error {
	return serve.Run(ctx, a, serve.Service{
		Name:       "inventory",
		Migrations: Migrations(),
		Register: func(ctx context.Context, e *serve.Env, s *grpc.Server) error {
			store, err := open(e)
			if err != nil {
				return err
			}
			products, err := strconv.Atoi(e.Setting("products"))
			if err != nil {
				return fmt.Errorf("setting products is %q, want a number", e.Setting("products"))
			}
			if err := store.Seed(ctx, products); err != nil {
				return err
			}
			inventorypb.RegisterInventoryServer(s, NewServer(store))
			return nil
		},
		Background: []func(context.Context, *serve.Env) error{
			func(ctx context.Context, e *serve.Env) error {
				store, err := open(e)
				if err != nil {
					return err
				}
				return NewReaper(store, e.Log).Run(ctx)
			},
		},
	})
}

func open(e *serve.Env) (*Store, error) {
	ttl, err := time.ParseDuration(e.Setting("reservation_ttl"))
	if err != nil || ttl <= 0 {
		return nil, fmt.Errorf("setting reservation_ttl is %q, want a duration such as 20s", e.Setting("reservation_ttl"))
	}
	return NewStore(e.DB, ttl), nil
}
