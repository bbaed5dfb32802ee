package payment

import (
	"context"
	"time"

	"google.golang.org/grpc"

	"github.com/bedlamlab/bedlam/services/bank/bankpb"
	"github.com/bedlamlab/bedlam/services/internal/serve"
	"github.com/bedlamlab/bedlam/services/payment/paymentpb"
	"github.com/bedlamlab/bedlam/topology"
)

// grace is how long an unsettled charge is its caller's: longer than the two
// attempts of a second each that callers usually make.
const grace = 3 * time.Second

// Run runs payment as a says, until ctx is done and it has drained. It has no
// settings.
func Run(ctx context.Context, a topology.Assignment) error {
	service := func(e *serve.Env) *Service {
		return NewService(NewStore(e.DB, grace), bankpb.NewBankClient(e.Peer("bank")), e.Log)
	}
	return serve.Run(ctx, a, serve.Service{
		Name:       "payment",
		Migrations: Migrations(),
		Register: func(_ context.Context, e *serve.Env, s *grpc.Server) error {
			paymentpb.RegisterPaymentServer(s, NewServer(service(e)))
			return nil
		},
		Background: []func(context.Context, *serve.Env) error{
			func(ctx context.Context, e *serve.Env) error { return NewResolver(service(e)).Run(ctx) },
		},
	})
}
