package fault

import (
	"context"
	"fmt"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// capacity makes a bottleneck of stated capacity of an edge.
type capacity struct {
	routed
	Concurrency int               `json:"concurrency"`
	ServiceTime topology.Duration `json:"service_time"`
}

var _ chaos.Bottleneck = (*capacity)(nil)

// mostPlaces is how many a link may have, as the relay has it.
const mostPlaces = 1000

func init() {
	register(Kind{Name: "capacity", On: onEdges, Needs: needs[deploy.Shaper](), Requests: true,
		Doc: "Lets requests over an edge's links in their order, so many at a time and each after so long; who is called off keeps its turn. " +
			"What it lets through does not depend on how quick the machine is.",
		Params: "concurrency: 1 to 1000, places of each link; service_time: 100ms, from 20ms, or 50ms where not every request is held, to 10m, how long a request has one; " + routeParams,
		build:  newCapacity})
}

func newCapacity(r chaos.Resolved) (chaos.Fault, error) {
	f := &capacity{routed: routed{Percent: 100}}
	if err := decode(r.Args, f); err != nil {
		return nil, err
	}
	if f.Concurrency < 1 || f.Concurrency > mostPlaces {
		return nil, fmt.Errorf("concurrency must be between 1 and %d, it is %d", mostPlaces, f.Concurrency)
	}
	if err := f.harm(r, map[string]any{"concurrency": f.Concurrency, "service_time": f.ServiceTime}); err != nil {
		return nil, err
	}
	return f, f.holds("service_time", f.ServiceTime)
}

// Capacity implements [chaos.Bottleneck]: that of all the links.
func (f *capacity) Capacity() float64 {
	return float64(len(f.rule.Links)*f.Concurrency) / f.ServiceTime.D().Seconds()
}

// Probe wants an answer over every link no sooner than the service time.
func (f *capacity) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	return f.probeLate(ctx, s, injected, f.ServiceTime.D())
}

// Met reports a call that took as long, or failed.
func (f *capacity) Met(s collector.Span) bool {
	return f.on(s, s.Error || s.Duration() >= f.ServiceTime.D())
}
