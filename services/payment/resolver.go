package payment

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/bedlamlab/bedlam/services/internal/serve"
)

// How a resolver works.
const (
	// batch is how many charges are claimed and asked about at a time: a
	// quarter of what the bank usually does at a time, for customers come first.
	batch = 8
	// question bounds one of them: two attempts of the usual 800 ms, and booking.
	question = 2 * time.Second
	// lease outlives the question, so that another replica takes a charge up
	// only after this one has given up.
	lease = question + time.Second
)

// A Resolver finishes charges whose caller is gone: pending ones are asked
// about again, marked ones are given back.
type Resolver struct {
	service *Service
	log     *slog.Logger
}

// NewResolver returns a resolver of the charges of s. One for each replica is
// fine: they do not take up the same charge at a time.
func NewResolver(s *Service) *Resolver { return &Resolver{service: s, log: s.log} }

// Once takes up every charge whose lease has run out, and returns how many it
// settled. Its error is the database's; what the bank does not tell now is
// asked again later.
func (r *Resolver) Once(ctx context.Context) (settled int, err error) {
	for {
		claimed, err := r.service.store.Claim(ctx, batch, lease)
		if err != nil {
			return settled, err
		}
		done := make([]bool, len(claimed))
		var group sync.WaitGroup
		for i, c := range claimed {
			group.Go(func() {
				ctx, cancel := context.WithTimeout(ctx, question)
				defer cancel()
				after, err := r.service.settle(ctx, c)
				done[i] = err == nil && after.settled()
			})
		}
		group.Wait()
		for _, ok := range done {
			if ok {
				settled++
			}
		}
		if len(claimed) < batch || ctx.Err() != nil {
			return settled, ctx.Err()
		}
	}
}

// Run calls Once every second until ctx is done. A database that is away is
// logged and waited for.
func (r *Resolver) Run(ctx context.Context) error {
	return serve.Every(ctx, time.Second, r.log, "charges settled whose caller was gone", r.Once)
}
