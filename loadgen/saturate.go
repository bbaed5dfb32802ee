package loadgen

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

// ErrGenerator says that the generator, or the machine under both, was the
// limit, not the shop.
var ErrGenerator = errors.New("the load generator itself fell behind")

const (
	// stepTime is how long a rate is held. Its first second is not counted: it
	// opens connections and finds the shop still busy with the step before.
	stepTime = 5 * time.Second
	stepWarm = 1 * time.Second
	// stepLongest is how long it is extended until ten samples lie above p99.
	stepLongest = 15 * time.Second
	stepSamples = 1000
	// stepDrain is longer than any journey lasts: steps that all time out, and
	// the polling of an order.
	stepDrain = 60 * time.Second
	// growth finds the order of magnitude, halvings then narrow it to about
	// 1.5^(1/8), 5 %.
	growth   = 1.5
	halvings = 3
	// failing is the share of requests that may fail or stay unknown.
	failing = 0.01
)

// Saturate searches for the highest rate, in journeys a second between from
// and to, at which the shop still holds: the p99 of all requests' latency from
// their due time stays under limit, and at most one in a hundred fails. It
// raises the rate by half, then halves the gap three times; a step takes 5 to
// 15 s, and one that does not hold is tried twice. c gives everything but the
// rate; each step is a run of its own, named after c.Run.
//
// If not even from holds, rate is 0 and the error says why. If the generator
// was late where the shop seemed to give in, the error wraps [ErrGenerator] and
// rate is what held.
func Saturate(ctx context.Context, c Config, from, to float64, limit time.Duration) (rate float64, err error) {
	if !(from > 0 && to >= from) || limit <= 0 {
		return 0, fmt.Errorf("saturate: from %v to %v journeys a second under %v: want 0 < from ≤ to and a limit above 0", from, to, limit)
	}
	s := saturation{c: c, limit: limit}
	var good, bad float64 // the highest that held, the lowest that did not
	var why error
	for at := from; ; at = min(at*growth, to) {
		if why, err = s.holds(ctx, at); err != nil {
			return good, err
		}
		if why != nil {
			bad = at
			break
		}
		if good = at; at >= to {
			return good, nil
		}
	}
	if good == 0 {
		return 0, fmt.Errorf("saturate: %v journeys a second: %w", from, why)
	}
	for range halvings {
		at := math.Sqrt(good * bad)
		w, err := s.holds(ctx, at)
		if err != nil {
			return good, err
		}
		if w == nil {
			good = at
		} else {
			bad, why = at, w
		}
	}
	if errors.Is(why, ErrGenerator) {
		return good, fmt.Errorf("saturate: %.1f journeys a second: %w", bad, why)
	}
	return good, nil
}

type saturation struct {
	c     Config
	limit time.Duration
	steps int
}

// holds reports why the shop does not hold a rate, nil if it does. err is
// about the search itself.
func (s *saturation) holds(ctx context.Context, rate float64) (why, err error) {
	for range 2 { // one hiccup of a busy machine is no limit of the shop
		if why, err = s.step(ctx, rate); why == nil || err != nil {
			return nil, err
		}
	}
	return why, nil
}

func (s *saturation) step(ctx context.Context, rate float64) (why, err error) {
	c := s.c
	c.Rate, c.Start = rate, time.Time{}
	c.Run = fmt.Sprintf("%s-%02d", s.c.Run, s.steps)
	s.steps++
	t := &tally{next: s.c.Recorder}
	c.Recorder = t
	g, err := Start(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("saturate: %w", err)
	}
	for held := stepTime; ; held += time.Second {
		select {
		case <-time.After(held - g.now()):
		case <-ctx.Done():
		}
		if ctx.Err() != nil || held >= stepLongest || g.Live().Total.Due >= stepSamples {
			break
		}
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepDrain)
	defer cancel()
	if err := g.Drain(drain); err != nil {
		return nil, fmt.Errorf("saturate: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("saturate: %w", err)
	}
	return t.verdict(s.limit), nil
}

// A tally keeps what decides about a step.
type tally struct {
	next Recorder

	mu      sync.Mutex
	latency []time.Duration
	lag     []time.Duration
	bad     int
}

func (t *tally) Record(r Request) {
	if t.next != nil {
		t.next.Record(r)
	}
	if r.Due < stepWarm {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.latency = append(t.latency, r.Latency())
	t.lag = append(t.lag, r.Lag())
	if !r.Good() {
		t.bad++
	}
}

func (t *tally) verdict(limit time.Duration) error {
	n := len(t.latency)
	if n == 0 {
		return errors.New("no request was due after the first second")
	}
	latency, lag := quantile(t.latency, 0.99), quantile(t.lag, 0.99)
	slow, failed := latency > limit, float64(t.bad) > failing*float64(n)
	switch {
	// Half of the time gone before anything was sent is the generator's doing.
	case (slow || failed) && lag > limit/2:
		return fmt.Errorf("%w: p99 of its lag is %v", ErrGenerator, lag.Round(time.Microsecond))
	case failed:
		return fmt.Errorf("%d of %d requests failed", t.bad, n)
	case slow:
		return fmt.Errorf("p99 is %v of %d requests, above %v", latency.Round(time.Microsecond), n, limit)
	}
	return nil
}

// quantile sorts d and returns its quantile by nearest rank; d is not empty.
func quantile(d []time.Duration, q float64) time.Duration {
	slices.Sort(d)
	return d[max(0, int(math.Ceil(q*float64(len(d))))-1)]
}
