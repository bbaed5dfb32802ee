// Package call asks another service: within a deadline, at an instance that
// is likely to answer, and not more often than the policy of the edge allows.
//
// [New] makes the [Client] of one callee. It stands in for a gRPC connection
// (it is a [grpc.ClientConnInterface]), so the generated clients work on it
// unchanged. What happens to one call:
//
//	bulkhead ─▶ retry under a budget ─▶ hedge ─▶ attempt
//	                                             ├ pick an instance whose breaker is not open, not the one just tried
//	                                             ├ client span, trace context sent along
//	                                             └ timeout of the attempt, within the caller's deadline
//
// Each stage is there only if the policy asks for it. A call that fails
// returns the status of its last attempt; [Code] names it as gRPC's own
// documents do.
package call

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/topology"
)

// Client calls the instances of one service. It is safe for concurrent use.
type Client struct {
	service  string
	policy   topology.Policy
	peers    []*peer
	turn     atomic.Uint32 // round robin
	executor failsafe.Executor[any]
	tracer   trace.Tracer
}

var _ grpc.ClientConnInterface = (*Client)(nil)

// New returns a client of a service that runs as the given peers. It begins
// to connect at once, and does not wait. With no peers every call fails as
// UNAVAILABLE. Breakers log their openings to log.
func New(service string, peers []topology.Peer, policy topology.Policy, log *slog.Logger) (*Client, error) {
	c := &Client{
		service:  service,
		policy:   policy,
		executor: executor(policy),
		tracer:   otel.Tracer("github.com/bedlamlab/bedlam/services/internal/call"),
	}
	for _, to := range peers {
		p, err := newPeer(to, policy.Breaker, log.With("peer", to.Instance))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("preparing to call %s at %s: %w", to.Instance, to.Address, err), c.Close())
		}
		c.peers = append(c.peers, p)
	}
	return c, nil
}

// Close closes all connections; calls in flight fail.
func (c *Client) Close() error {
	var errs []error
	for _, p := range c.peers {
		errs = append(errs, p.conn.Close())
	}
	return errors.Join(errs...)
}

// Invoke makes one call, in as many attempts as the policy allows.
func (c *Client) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	if err := ctx.Err(); err != nil {
		return status.FromContextError(err).Err()
	}
	in := &invocation{client: c, method: method, args: args, reply: reply, opts: opts}
	in.deadline, _ = ctx.Deadline()
	defer in.close()
	_, err := c.executor.WithContext(ctx).GetWithExecution(func(exec failsafe.Execution[any]) (any, error) {
		return in.attempt(exec.Context())
	})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, bulkhead.ErrFull):
		note(ctx, eventBulkhead, c.service)
		return unsent{status.Errorf(codes.ResourceExhausted, "%s: %d calls are in flight, the bulkhead takes no more", c.service, c.policy.Bulkhead)}
	}
	return in.failure(ctx, err)
}

// NewStream is not offered: the shop's services speak in single calls, and a
// stream cannot be repeated at another instance.
func (c *Client) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, status.Errorf(codes.Unimplemented, "%s: streams are not offered by this client", c.service)
}
