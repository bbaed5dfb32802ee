package bank

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// patience is how long a call waits for a free place: ten times the five
// milliseconds of a usual call, which lets a burst pass; a queue that lasts
// longer is an overload, and its callers had better hear of it at once.
const patience = 50 * time.Millisecond

// Capacity is what the bank can do at a time: so many calls, each so long.
type Capacity struct {
	places  chan struct{}
	service time.Duration
}

// NewCapacity returns the capacity for concurrency calls at a time (at least
// 1) of the given service time (at least 0) each.
func NewCapacity(concurrency int, service time.Duration) *Capacity {
	return &Capacity{places: make(chan struct{}, concurrency), service: service}
}

// Do waits for a place, works for the service time and calls f. It returns
// RESOURCE_EXHAUSTED if no place became free in time, or the context's end;
// f has not been called then.
func (c *Capacity) Do(ctx context.Context, f func() error) error {
	if err := c.enter(ctx); err != nil {
		return err
	}
	defer func() { <-c.places }()
	if c.service > 0 {
		work := time.NewTimer(c.service)
		defer work.Stop()
		select {
		case <-work.C:
		case <-ctx.Done():
		}
	}
	if err := ctx.Err(); err != nil {
		return status.FromContextError(err).Err()
	}
	return f()
}

func (c *Capacity) enter(ctx context.Context) error {
	select {
	case c.places <- struct{}{}:
		return nil
	default:
	}
	wait := time.NewTimer(patience)
	defer wait.Stop()
	select {
	case c.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	case <-wait.C:
		return status.Errorf(codes.ResourceExhausted, "the bank is at its capacity of %d calls at a time; nothing was done", cap(c.places))
	}
}
