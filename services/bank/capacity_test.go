package bank_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/bank"
)

func TestCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := bank.NewCapacity(2, 5*time.Millisecond)
		begun := time.Now()
		occupy := make(chan struct{})
		for range 2 {
			go c.Do(t.Context(), func() error { <-occupy; return nil })
		}
		synctest.Wait()

		called := false
		err := c.Do(t.Context(), func() error { called = true; return nil })
		if status.Code(err) != codes.ResourceExhausted || called {
			t.Errorf("a third call of two: %v, called %v", err, called)
		}
		if waited := time.Since(begun); waited == 0 || waited > 100*time.Millisecond {
			t.Errorf("it was refused after %v, want a short wait", waited)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := c.Do(ctx, func() error { called = true; return nil }); status.Code(err) != codes.DeadlineExceeded || called {
			t.Errorf("a caller that cannot wait: %v, called %v", err, called)
		}

		close(occupy)
		synctest.Wait()
		begun = time.Now()
		broken := errors.New("broken")
		if err := c.Do(t.Context(), func() error { return broken }); !errors.Is(err, broken) {
			t.Errorf("got %v, want the call's own error", err)
		}
		if took := time.Since(begun); took != 5*time.Millisecond {
			t.Errorf("a call took %v, want the service time of 5ms", took)
		}

		ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := c.Do(ctx, func() error { called = true; return nil }); status.Code(err) != codes.DeadlineExceeded || called {
			t.Errorf("a deadline within the service time: %v, called %v", err, called)
		}
		for range 2 { // every place was given back
			if err := c.Do(t.Context(), func() error { return nil }); err != nil {
				t.Errorf("after all that: %v", err)
			}
		}
	})
}
