package call_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/internal/call"
	"github.com/bedlamlab/bedlam/services/internal/servetest"
	"github.com/bedlamlab/bedlam/topology"
)

// breaker opens on four of four; open is how long it stays so.
func breaker(open time.Duration) *topology.Breaker {
	return &topology.Breaker{Window: topology.Duration(time.Minute), Requests: 4, Ratio: 0.5, Open: topology.Duration(open), Probes: 2}
}

func TestBreakerOpens(t *testing.T) {
	in := start(t, "callee-1", failWith(codes.Unavailable))
	c := client(t, topology.Policy{Breaker: breaker(time.Hour)}, in)
	for range 4 {
		if err := ask(t, c); call.Unsent(err) {
			t.Fatalf("opened too early: %v", err)
		}
	}
	err := ask(t, c)
	if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "breaker open") || !call.Unsent(err) {
		t.Errorf("got %v (unsent %t), want UNAVAILABLE, breaker open, unsent", err, call.Unsent(err))
	}
	if got := in.asked.Load(); got != 4 {
		t.Errorf("asked %d times, want 4: an open breaker asks nobody", got)
	}
}

func TestOpenBreakerIsSkipped(t *testing.T) {
	bad, good := start(t, "callee-1", failWith(codes.Unavailable)), start(t, "callee-2", succeed)
	c := client(t, topology.Policy{Breaker: breaker(time.Hour), Retry: retry(2, 0)}, bad, good)
	for range 40 {
		if err := ask(t, c); err != nil {
			t.Fatal(err)
		}
	}
	if got := bad.asked.Load(); got != 4 {
		t.Errorf("the bad instance was asked %d times, want the 4 that opened its breaker", got)
	}
}

func TestBreakerClosesAgain(t *testing.T) {
	in := start(t, "callee-1", failWith(codes.Unavailable))
	c := client(t, topology.Policy{Breaker: breaker(20 * time.Millisecond)}, in)
	for range 4 {
		_ = ask(t, c)
	}
	in.will(succeed)
	servetest.Await(t, "a probe to succeed", func() bool { return ask(t, c) == nil })
	// Half-open lets two probes through at once; closed lets everybody.
	servetest.Await(t, "it to be closed", func() bool { return ask(t, c) == nil })
	arrived, release := make(chan struct{}), make(chan struct{})
	in.will(func(context.Context) error { arrived <- struct{}{}; <-release; return nil })
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := ask(t, c); err != nil {
				t.Errorf("closed again, but %v", err)
			}
		})
	}
	for range 8 {
		<-arrived
	}
	close(release)
	all.Wait()
}

func TestHalfOpenBreakerOpensOnFailure(t *testing.T) {
	in := start(t, "callee-1", failWith(codes.Unavailable))
	c := client(t, topology.Policy{Breaker: breaker(50 * time.Millisecond)}, in)
	for range 4 {
		_ = ask(t, c)
	}
	// A probe reaches the instance and fails; the next call does not get there.
	servetest.Await(t, "a refusal right after a failed probe", func() bool {
		return !call.Unsent(ask(t, c)) && call.Unsent(ask(t, c))
	})
}

func TestHalfOpenBreakerLimitsProbes(t *testing.T) {
	in := start(t, "callee-1", failWith(codes.Unavailable))
	c := client(t, topology.Policy{Breaker: breaker(20 * time.Millisecond)}, in)
	for range 4 {
		_ = ask(t, c)
	}
	arrived, release := make(chan struct{}, 8), make(chan struct{})
	in.will(func(context.Context) error { arrived <- struct{}{}; <-release; return nil })
	var probes sync.WaitGroup
	for range 2 {
		probes.Go(func() {
			servetest.Await(t, "a probe to get through", func() bool { return !call.Unsent(ask(t, c)) })
		})
		<-arrived
	}
	if err := ask(t, c); !call.Unsent(err) {
		t.Errorf("two probes are out, the third call got %v, want a refusal", err)
	}
	close(release)
	probes.Wait()
}

func TestWhatDoesNotOpenABreaker(t *testing.T) {
	for _, code := range []codes.Code{codes.NotFound, codes.FailedPrecondition, codes.InvalidArgument, codes.ResourceExhausted, codes.Aborted} {
		t.Run(code.String(), func(t *testing.T) {
			in := start(t, "callee-1", failWith(code))
			c := client(t, topology.Policy{Breaker: breaker(time.Hour)}, in)
			for range 20 {
				if err := ask(t, c); status.Code(err) != code {
					t.Fatalf("got %v, want %v", err, code)
				}
			}
		})
	}
	t.Run("a caller that hangs up", func(t *testing.T) {
		arrived := make(chan struct{})
		in := start(t, "callee-1", func(ctx context.Context) error { arrived <- struct{}{}; return hang(ctx) })
		c := client(t, topology.Policy{Breaker: breaker(time.Hour)}, in)
		for range 20 {
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-arrived; cancel() }()
			if _, err := c.Check(ctx, &healthpb.HealthCheckRequest{}); status.Code(err) != codes.Canceled {
				t.Fatalf("got %v, want CANCELLED", err)
			}
		}
	})
}

func TestBulkhead(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	in := start(t, "callee-1", func(context.Context) error { arrived <- struct{}{}; <-release; return nil })
	c := client(t, topology.Policy{Bulkhead: 2}, in)
	var held sync.WaitGroup
	for range 2 {
		held.Go(func() {
			if err := ask(t, c); err != nil {
				t.Error(err)
			}
		})
		<-arrived
	}
	err := ask(t, c)
	if status.Code(err) != codes.ResourceExhausted || !call.Unsent(err) {
		t.Errorf("the third call got %v (unsent %t), want RESOURCE_EXHAUSTED and unsent", err, call.Unsent(err))
	}
	close(release)
	held.Wait()
	in.will(succeed)
	if err := ask(t, c); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func TestHedge(t *testing.T) {
	calledOff := make(chan struct{}, 8)
	stuck := start(t, "callee-1", func(ctx context.Context) error { err := hang(ctx); calledOff <- struct{}{}; return err })
	good := start(t, "callee-2", succeed)
	c := client(t, topology.Policy{Hedge: 5 * ms}, stuck, good)
	for range 4 {
		if err := ask(t, c); err != nil {
			t.Fatal(err)
		}
	}
	asked := stuck.asked.Load()
	if asked == 0 {
		t.Fatal("the stuck instance was never asked, so nothing was shown")
	}
	for range asked {
		<-calledOff // the slower attempt is not left behind
	}
}

func TestHedgeDoesNotRepeatAnAnswer(t *testing.T) {
	in := start(t, "callee-1", failWith(codes.NotFound))
	c := client(t, topology.Policy{Hedge: topology.Duration(time.Hour)}, in)
	if err := ask(t, c); status.Code(err) != codes.NotFound || in.asked.Load() != 1 {
		t.Errorf("got %v after %d attempts, want NOT_FOUND after 1", err, in.asked.Load())
	}
}
