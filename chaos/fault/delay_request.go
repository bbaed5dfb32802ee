package fault

import (
	"context"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// delayRequest holds requests back, each by itself: their connection goes on.
type delayRequest struct {
	routed
	Delay topology.Duration `json:"delay"`
}

func init() {
	register(Kind{Name: "delay_request", On: onEdges, Needs: needs[deploy.Shaper](), Requests: true,
		Doc:    "Holds requests on an edge back before the callee hears of them; others on the same connection go on.",
		Params: "delay: 300ms, from 20ms, or 50ms where not every request is held, to 10m; " + routeParams,
		build:  newDelayRequest})
}

func newDelayRequest(r chaos.Resolved) (chaos.Fault, error) {
	f := &delayRequest{routed: routed{Percent: 100}}
	if err := decode(r.Args, f); err != nil {
		return nil, err
	}
	if err := f.harm(r, map[string]any{"delay": f.Delay}); err != nil {
		return nil, err
	}
	return f, f.holds("delay", f.Delay)
}

// Probe wants an answer over every link no sooner than the delay.
func (f *delayRequest) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	return f.probeLate(ctx, s, injected, f.Delay.D())
}

// Met reports a call that took as long, or failed.
func (f *delayRequest) Met(s collector.Span) bool {
	return f.on(s, s.Error || s.Duration() >= f.Delay.D())
}
