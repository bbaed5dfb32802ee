package call

import (
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// invocation is one call, over all of its attempts.
type invocation struct {
	client      *Client
	deadline    time.Time // the caller's; zero: none
	method      string
	args, reply any
	opts        []grpc.CallOption

	mu       sync.Mutex // hedged attempts run side by side
	attempts int
	tried    *peer // the instance that was asked last
	last     error // how the last finished attempt failed
	answered bool  // the reply is filled in
	sent     bool  // an attempt went out
}

// attempt makes one attempt. Its error is a *failed if another may follow.
func (in *invocation) attempt(ctx context.Context) (any, error) {
	in.mu.Lock()
	in.attempts++
	n, avoid := in.attempts, in.tried
	in.mu.Unlock()

	if in.client.policy.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, in.client.policy.Timeout.D())
		defer cancel()
	}
	p, done, err := in.client.pick(avoid)
	ctx, span := in.client.startSpan(ctx, in, p, n)
	defer span.End()
	if err != nil {
		// Every breaker is open (or there is no instance at all): waiting a
		// few milliseconds would not change that, so the call fails fast.
		markOpen(span)
		end(span, err)
		return nil, in.unopened(err)
	}
	in.mu.Lock()
	in.tried, in.sent = p, true
	in.mu.Unlock()

	// Two hedged attempts must not write to one reply.
	reply := in.reply
	if in.client.policy.Hedge > 0 {
		if m, ok := reply.(proto.Message); ok {
			reply = m.ProtoReflect().New().Interface()
		}
	}
	begun := time.Now()
	err = p.conn.Invoke(inject(ctx), in.method, in.args, reply, in.opts...)
	done(in.client.evidence(err, time.Since(begun)))
	end(span, err)
	if err == nil {
		in.accept(reply)
		return nil, nil
	}
	return nil, in.decide(in.finish(err), n)
}

// accept takes over the reply of the first attempt that succeeded.
func (in *invocation) accept(reply any) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.answered {
		return
	}
	in.answered = true
	if from, ok := reply.(proto.Message); ok && reply != in.reply {
		proto.Merge(in.reply.(proto.Message), from)
	}
}

// finish remembers how an attempt failed; a hedge that was called off because
// the other one had answered is no failure.
func (in *invocation) finish(err error) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if status.Code(err) != codes.Canceled || in.last == nil {
		in.last = err
	}
	return err
}

// unopened is finish for an attempt that found no instance to go to.
func (in *invocation) unopened(err error) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.sent {
		err = unsent{err}
	}
	in.last = err
	return err
}

// close keeps a hedge that answers late from writing to the reply, which is
// the caller's again.
func (in *invocation) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.answered = true
}

// decide wraps err in a failed if another attempt may follow: the failure may
// pass, and the caller's deadline leaves more than the back-off.
func (in *invocation) decide(err error, n int) error {
	if !repeatable(status.Code(err)) {
		return err
	}
	var wait time.Duration
	if r := in.client.policy.Retry; r != nil {
		wait = patience(*r, n)
	}
	if !in.deadline.IsZero() && time.Until(in.deadline) <= wait {
		return err
	}
	return &failed{error: err, wait: wait}
}

// failure is what the caller is told: that its own time is up, or else the
// status of the last attempt.
func (in *invocation) failure(ctx context.Context, err error) error {
	in.mu.Lock()
	last := in.last
	in.mu.Unlock()
	if cause := ctx.Err(); cause != nil {
		s := status.FromContextError(cause)
		if last != nil {
			return status.Errorf(s.Code(), "%s: %s (last attempt: %s)", in.client.service, s.Message(), status.Convert(last).Message())
		}
		return status.Errorf(s.Code(), "%s: %s", in.client.service, s.Message())
	}
	if isBudget(err) {
		note(ctx, eventBudget, in.client.service)
	} else if f := (*failed)(nil); errors.As(err, &f) {
		return f.error
	} else if _, ok := status.FromError(err); ok {
		return err
	}
	if last != nil {
		return last
	}
	return status.Errorf(codes.Unavailable, "%s: %v", in.client.service, err)
}
