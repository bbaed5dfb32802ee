package call

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/budget"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/hedgepolicy"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	"github.com/bedlamlab/bedlam/topology"
)

// minConcurrentRetries is what a budget always allows. With few calls in
// flight a single retry is already more than a fifth of them; without this
// floor a quiet service could never retry at all.
const minConcurrentRetries = 3

// executor spells out what of the policy surrounds an attempt, outermost
// first. Timeout and breaker belong to the attempt itself.
func executor(p topology.Policy) failsafe.Executor[any] {
	var stages []failsafe.Policy[any]
	if p.Bulkhead > 0 {
		// Without waiting: the caller's own queue, if it has one, is the place to wait.
		stages = append(stages, bulkhead.New[any](uint(p.Bulkhead)))
	}
	if r := p.Retry; r != nil && r.Attempts > 1 {
		b := retrypolicy.NewBuilder[any]().
			HandleIf(func(_ any, err error) bool { return again(err) }).
			WithMaxAttempts(r.Attempts).
			// The attempt has drawn its own back-off, because it had to know
			// whether the caller's deadline leaves room for it.
			WithDelayFunc(func(exec failsafe.ExecutionAttempt[any]) time.Duration {
				var f *failed
				if errors.As(exec.LastError(), &f) {
					return f.wait
				}
				return 0
			}).
			ReturnLastFailure()
		if r.Budget > 0 {
			b = b.WithBudget(newBudget(r.Budget))
		}
		stages = append(stages, b.Build())
	}
	if p.Hedge > 0 {
		b := hedgepolicy.NewBuilderWithDelay[any](p.Hedge.D()).
			CancelIf(func(_ any, err error) bool { return !again(err) })
		// Hedges have a budget of their own: in a common one each call would
		// be counted by both stages, which would halve what it allows.
		if p.Retry != nil && p.Retry.Budget > 0 {
			b = b.WithBudget(newBudget(p.Retry.Budget))
		}
		stages = append(stages, b.Build())
	}
	return failsafe.With(stages...)
}

func newBudget(share float64) budget.Budget {
	return budget.NewBuilder().WithMaxRate(share).WithMinConcurrency(minConcurrentRetries).Build()
}

// failed is how an attempt ended that may be made again.
type failed struct {
	error               // the status
	wait  time.Duration // back-off before the next attempt
}

func (f *failed) Unwrap() error { return f.error }

// again reports whether an attempt that ended so may be repeated.
func again(err error) bool {
	var f *failed
	return errors.As(err, &f)
}

// patience draws the wait after the n-th attempt, n from 1.
func patience(r topology.Retry, n int) time.Duration {
	d := r.Base.D()
	for range n - 1 {
		if d *= 2; d >= r.Max.D() {
			break
		}
	}
	d = min(d, r.Max.D())
	random := float64(d) * min(max(r.Jitter, 0), 1)
	return d - time.Duration(random*rand.Float64())
}
