package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// latency slows links: every byte arrives later by Latency, and a connection's
// set-up takes as much longer.
type latency struct {
	links
	Delay delay `json:"delay"`
}

type delay struct {
	Latency      topology.Duration `json:"latency"`
	Jitter       topology.Duration `json:"jitter,omitempty"`
	Correlation  float64           `json:"correlation,omitempty"`
	Distribution string            `json:"distribution,omitempty"`
}

const (
	// longest is the most that the relay delays.
	longest = topology.Duration(10 * time.Minute)
	// leastLatency can still be told from the time that an unslowed answer of
	// a busy machine takes, the soonest of ten.
	leastLatency = topology.Duration(5 * time.Millisecond)
)

// distributions are those that the relay knows; uniform unless given.
var distributions = []string{"", "uniform", "normal", "pareto", "paretonormal"}

func init() {
	register(Kind{Name: "latency", On: onEdges, Needs: needs[deploy.Shaper](),
		Doc:    "Slows every byte and the set-up of connections on an edge.",
		Params: "delay: {latency: 300ms, jitter: 50ms, correlation: 0 to 100 percent, distribution: uniform|normal|pareto|paretonormal}; direction: to|from|both",
		build:  newLatency})
}

func newLatency(r chaos.Resolved) (chaos.Fault, error) {
	f := &latency{}
	if err := decode(r.Args, f); err != nil {
		return nil, err
	}
	if f.Delay.Latency < leastLatency || f.Delay.Latency > longest {
		return nil, fmt.Errorf("delay.latency must be between %s and %s", leastLatency, longest)
	}
	if f.Delay.Jitter < 0 || f.Delay.Jitter > f.Delay.Latency {
		return nil, errors.New("delay.jitter must be between 0 and delay.latency")
	}
	if !(f.Delay.Correlation >= 0 && f.Delay.Correlation <= 100) {
		return nil, errors.New("delay.correlation must be between 0 and 100 percent")
	}
	if !slices.Contains(distributions, f.Delay.Distribution) {
		return nil, fmt.Errorf("unknown delay.distribution %q (want uniform, normal, pareto or paretonormal)", f.Delay.Distribution)
	}
	return f, f.shape(r, "latency", f.Delay)
}

// floor is the least that a slowed answer takes. The distributions other than
// uniform have no strict floor; half the latency is below nearly all of their
// draws and above any unslowed answer worth slowing.
func (d delay) floor() time.Duration {
	if d.Distribution == "" || d.Distribution == "uniform" {
		if least := d.Latency - d.Jitter; least > d.Latency/2 {
			return least.D()
		}
	}
	return d.Latency.D() / 2
}

// Probe wants no link to answer sooner than the latency asked for, and the
// same callee past the relay to answer in less than half of it, or it was not
// the link that was slow; after the lift, a sooner answer.
func (f *latency) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	// Not to have answered for three seconds is proof enough of a delay of ten
	// minutes: beyond them the runner has long given up.
	least := min(f.Delay.floor(), 3*time.Second)
	var mu sync.Mutex
	quickest, slowest := time.Duration(1<<62), time.Duration(0)
	err := f.often(injected, func(link topology.Link) error {
		// Of several connections, the quickest does not speak for the others.
		took, err := f.soonest(ctx, s, link.From, link, least, injected || f.toxicity() < 1)
		if err != nil {
			return err
		}
		switch {
		case injected && took < least:
			return fmt.Errorf("answered after %s", round(took))
		case !injected && took >= least:
			return fmt.Errorf("still takes %s", round(took))
		case injected:
			direct, err := f.soonest(ctx, s, "", link, least/2, false)
			if err != nil {
				return fmt.Errorf("past the relay: %w", err)
			}
			if direct >= least/2 {
				return fmt.Errorf("no answer before %s, but past the relay none before %s: that the link is slow cannot be told", round(took), round(direct))
			}
		}
		mu.Lock()
		defer mu.Unlock()
		quickest, slowest = min(quickest, took), max(slowest, took)
		return nil
	})
	return fmt.Sprintf("%s after %s to %s", count(len(f.rule.Links), "link answers", "links answer"), round(quickest), round(slowest)), err
}

// soonest asks caller's link, or the callee past the relay, and returns how
// long the answer took; no answer in twice the time wanted and a second, which
// is for the machine, counts as that. Once is enough for who wants it to be
// slow: a delay spares nobody. Who wants it to be quick asks up to ten times
// within two seconds, since a busy machine answers late now and then.
func (f *latency) soonest(ctx context.Context, s deploy.System, caller string, link topology.Link, want time.Duration, once bool) (time.Duration, error) {
	limit := 2*want + time.Second
	best := limit
	begin := time.Now()
	for range 10 {
		took, err := f.pingFrom(ctx, s, caller, link, limit)
		switch {
		case err == nil:
			best = min(best, took)
		case ctx.Err() != nil || !silent(err):
			return 0, err
		}
		if once || best < want || time.Since(begin) > 2*time.Second {
			break
		}
	}
	return best, nil
}

// Met reports a call over one of the links that took at least the latency
// asked for, or failed.
func (f *latency) Met(s collector.Span) bool {
	return f.crosses(s) && (s.Error || s.Duration() >= f.Delay.floor())
}
