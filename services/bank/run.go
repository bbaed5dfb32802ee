package bank

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/grpc"

	"github.com/bedlamlab/bedlam/services/bank/bankpb"
	"github.com/bedlamlab/bedlam/services/internal/serve"
	"github.com/bedlamlab/bedlam/topology"
)

// Run runs the bank as a says, until ctx is done and it has drained. Its
// settings: concurrency, calls at a time, at least 1; service_time, such as
// "5ms", for each of them.
func Run(ctx context.Context, a topology.Assignment) error {
	return serve.Run(ctx, a, serve.Service{
		Name:       "bank",
		Migrations: Migrations(),
		Register: func(_ context.Context, e *serve.Env, s *grpc.Server) error {
			c, err := capacity(e.Setting("concurrency"), e.Setting("service_time"))
			if err != nil {
				return err
			}
			bankpb.RegisterBankServer(s, NewServer(NewLedger(e.DB), c))
			return nil
		},
	})
}

func capacity(concurrency, service string) (*Capacity, error) {
	n, err := strconv.Atoi(concurrency)
	if err != nil || n < 1 {
		return nil, fmt.Errorf("setting concurrency is %q, want a number of calls of at least 1", concurrency)
	}
	d, err := time.ParseDuration(service)
	if err != nil || d < 0 {
		return nil, fmt.Errorf("setting service_time is %q, want a duration such as 5ms", service)
	}
	return NewCapacity(n, d), nil
}
