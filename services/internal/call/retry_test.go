package call_test

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"

	"github.com/bedlamlab/bedlam/services/internal/call"
	"github.com/bedlamlab/bedlam/services/internal/servetest"
	"github.com/bedlamlab/bedlam/topology"
)

const ms = topology.Duration(time.Millisecond)

func retry(attempts int, budget float64) *topology.Retry {
	return &topology.Retry{Attempts: attempts, Base: ms, Max: 5 * ms, Jitter: 1, Budget: budget}
}

func TestRetryGoesToAnotherInstance(t *testing.T) {
	bad, good := start(t, "callee-1", failWith(codes.Unavailable)), start(t, "callee-2", succeed)
	c := client(t, topology.Policy{Retry: retry(2, 0)}, bad, good)
	const calls = 20
	for range calls {
		if err := ask(t, c); err != nil {
			t.Fatalf("with one good instance and two attempts every call succeeds, got %v", err)
		}
	}
	if got := good.asked.Load(); got != calls {
		t.Errorf("the good instance was asked %d times, want %d", got, calls)
	}
	if got := bad.asked.Load(); got < 1 || got > calls {
		t.Errorf("the bad instance was asked %d times, want its turns and no repetitions", got)
	}
}

func TestCallsAreSpreadEvenly(t *testing.T) {
	a, b := start(t, "callee-1", succeed), start(t, "callee-2", succeed)
	c := client(t, topology.Policy{}, a, b)
	for range 20 {
		if err := ask(t, c); err != nil {
			t.Fatal(err)
		}
	}
	if a.asked.Load() != 10 || b.asked.Load() != 10 {
		t.Errorf("20 calls went %d to one and %d to the other, want 10 each", a.asked.Load(), b.asked.Load())
	}
}

func TestWhatIsRepeated(t *testing.T) {
	for _, c := range []struct {
		code codes.Code
		want int32
		why  string
	}{
		{codes.Unavailable, 3, "it may pass"},
		{codes.DeadlineExceeded, 3, "the callee's own deadline is not ours"},
		{codes.Aborted, 3, "another transaction was first"},
		{codes.NotFound, 1, "an answer"},
		{codes.FailedPrecondition, 1, "an answer"},
		{codes.InvalidArgument, 1, "it will not become valid"},
		{codes.ResourceExhausted, 1, "more of the same is the last thing an overloaded callee needs"},
		{codes.Internal, 1, "a bug stays one"},
	} {
		t.Run(call.Code(status.Error(c.code, "")), func(t *testing.T) {
			in := start(t, "callee-1", failWith(c.code))
			err := ask(t, client(t, topology.Policy{Retry: retry(3, 0)}, in))
			if status.Code(err) != c.code {
				t.Errorf("got %v, want the callee's own %v", err, c.code)
			}
			if got := in.asked.Load(); got != c.want {
				t.Errorf("asked %d times, want %d: %s", got, c.want, c.why)
			}
		})
	}
}

func TestWithoutPolicyThereIsOneAttempt(t *testing.T) {
	in := start(t, "callee-1", failWith(codes.Unavailable))
	if err := ask(t, client(t, topology.Policy{}, in)); status.Code(err) != codes.Unavailable || in.asked.Load() != 1 {
		t.Errorf("got %v after %d attempts, want UNAVAILABLE after 1", err, in.asked.Load())
	}
}

// TestBudget lets many calls fail at the same moment, holds the repetitions,
// and counts them.
func TestBudget(t *testing.T) {
	for _, b := range []struct {
		why       string
		share     float64
		low, high int32
	}{
		// A fifth of those in flight: r/(50+r) passes 0.2 at r = 13. Calls that
		// were refused a repetition are no longer in flight, so it may be
		// fewer, but never less than the floor of three.
		{"a fifth", 0.2, 3, 13},
		{"none", 0, 50, 50},
	} {
		t.Run(b.why, func(t *testing.T) {
			const calls = 50
			var first, ended atomic.Int32
			together, release := make(chan struct{}), make(chan struct{})
			var repeated atomic.Int32
			in := start(t, "callee-1", func(context.Context) error {
				if n := first.Add(1); n <= calls {
					if n == calls {
						close(together)
					}
					<-together
				} else {
					repeated.Add(1)
					<-release
				}
				return status.Error(codes.Unavailable, "as told")
			})
			c := client(t, topology.Policy{Retry: retry(2, b.share)}, in)
			var all sync.WaitGroup
			for range calls {
				all.Go(func() {
					if err := ask(t, c); status.Code(err) != codes.Unavailable {
						t.Errorf("got %v, want UNAVAILABLE", err)
					}
					ended.Add(1)
				})
			}
			servetest.Await(t, "every call to end or be repeated", func() bool { return ended.Load()+repeated.Load() == calls })
			if got := repeated.Load(); got < b.low || got > b.high {
				t.Errorf("%d of %d were repeated at once, want %d to %d", got, calls, b.low, b.high)
			}
			close(release)
			all.Wait()
		})
	}
}

func TestNoRetryWithoutRoom(t *testing.T) {
	in := start(t, "callee-1", failWith(codes.Unavailable))
	slow := &topology.Retry{Attempts: 3, Base: topology.Duration(time.Hour), Max: topology.Duration(time.Hour)}
	// A minute of time, an hour of back-off: waiting would waste the minute.
	if err := ask(t, client(t, topology.Policy{Retry: slow}, in)); status.Code(err) != codes.Unavailable {
		t.Errorf("got %v, want the callee's UNAVAILABLE at once", err)
	}
	if got := in.asked.Load(); got != 1 {
		t.Errorf("asked %d times, want 1", got)
	}
}

func TestDeadline(t *testing.T) {
	t.Run("the attempt's own ends it, and another instance is asked", func(t *testing.T) {
		stuck, good := start(t, "callee-1", hang), start(t, "callee-2", succeed)
		c := client(t, topology.Policy{Timeout: 200 * ms, Retry: retry(4, 0)}, stuck, good)
		for range 4 {
			if err := ask(t, c); err != nil {
				t.Fatal(err)
			}
		}
		if stuck.asked.Load() == 0 {
			t.Error("the stuck instance was never asked, so nothing was shown")
		}
	})
	t.Run("the caller's ends everything, and travels", func(t *testing.T) {
		told := make(chan bool, 16) // more than the doublings that a test lives through
		in := start(t, "callee-1", func(ctx context.Context) error {
			_, ok := ctx.Deadline()
			told <- ok
			return hang(ctx)
		})
		c := client(t, topology.Policy{Timeout: topology.Duration(time.Hour)}, in)
		for patience := 300 * time.Millisecond; ; patience *= 2 { // a busy machine may not reach the callee in the first
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			_, err := c.Check(ctx, &healthpb.HealthCheckRequest{})
			cancel()
			if status.Code(err) != codes.DeadlineExceeded {
				t.Fatalf("got %v, want DEADLINE_EXCEEDED", err)
			}
			select {
			case deadline := <-told:
				if !deadline {
					t.Error("the callee was not told the deadline")
				}
				return
			default:
			}
		}
	})
	t.Run("one that has passed asks nobody", func(t *testing.T) {
		in := start(t, "callee-1", succeed)
		ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		_, err := client(t, topology.Policy{}, in).Check(ctx, &healthpb.HealthCheckRequest{})
		if status.Code(err) != codes.DeadlineExceeded || in.asked.Load() != 0 {
			t.Errorf("got %v after %d attempts, want DEADLINE_EXCEEDED after none", err, in.asked.Load())
		}
	})
}

func TestNobodyToAsk(t *testing.T) {
	err := ask(t, client(t, topology.Policy{Retry: retry(3, 0.2)}))
	if status.Code(err) != codes.Unavailable || !call.Unsent(err) {
		t.Errorf("got %v (unsent %t), want UNAVAILABLE and unsent", err, call.Unsent(err))
	}
}

// TestPatience holds the back-off to its definition for all policies.
func TestPatience(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := topology.Retry{
			Base:   topology.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "base")),
			Jitter: rapid.Float64Range(0, 1).Draw(t, "jitter"),
		}
		r.Max = r.Base + topology.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "max"))
		n := rapid.IntRange(1, 100).Draw(t, "attempt")
		whole := time.Duration(min(float64(r.Base)*math.Pow(2, float64(n-1)), float64(r.Max)))
		least := time.Duration(float64(whole)*(1-r.Jitter)) - time.Microsecond // rounding
		if got := call.Patience(r, n); got < least || got > whole+time.Microsecond {
			t.Fatalf("got %s, want %s to %s", got, least, whole)
		}
	})
}
