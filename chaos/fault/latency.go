package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// longest is the most that the relay delays.
const longest = topology.Duration(10 * time.Minute)

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
	if f.Delay.Latency <= 0 || f.Delay.Latency > longest {
		return nil, fmt.Errorf("delay.latency must be more than 0 and at most %s", longest)
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
	var err error
	f.links, err = shape(r, "latency", f.Delay)
	return f, err
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

// Probe wants every link's answer to take at least the latency asked for, and
// that of the same callee past the relay less than half of it, or it was not
// the link that was slow; after the lift, less.
func (f *latency) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	quickest, slowest := time.Duration(1<<62), time.Duration(0)
	// Set-up and both ways may each be late by the largest draw; a second is
	// for the machine.
	limit := 4*(f.Delay.Latency+f.Delay.Jitter).D() + time.Second
	for _, link := range f.rule.Links {
		took, err := f.ping(ctx, s, link, limit)
		if err != nil {
			return "", fmt.Errorf("%s: %w", link, err)
		}
		if injected && took < f.Delay.floor() {
			return "", fmt.Errorf("%s answered after %s", link, round(took))
		}
		if injected {
			direct, err := f.pingFrom(ctx, s, "", link, limit)
			if err != nil {
				return "", fmt.Errorf("%s, past the relay: %w", link, err)
			}
			if direct >= f.Delay.floor()/2 {
				return "", fmt.Errorf("%s answered after %s, but past the relay after %s: that the link is slow cannot be told", link, round(took), round(direct))
			}
		}
		if !injected && took >= f.Delay.floor() {
			return "", fmt.Errorf("%s still takes %s", link, round(took))
		}
		quickest, slowest = min(quickest, took), max(slowest, took)
	}
	return fmt.Sprintf("%s after %s to %s", count(len(f.rule.Links), "link answers", "links answer"), round(quickest), round(slowest)), nil
}

// Met reports a call over one of the links that took at least the latency
// asked for, or failed.
func (f *latency) Met(s collector.Span) bool {
	return f.crosses(s) && (s.Error || s.Duration() >= f.Delay.floor())
}
