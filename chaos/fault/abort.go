package fault

import (
	"context"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/relay/message"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// abort answers requests with a failure in the place of the callee.
type abort struct {
	routed
	Status message.Status `json:"status"`
}

func init() {
	register(Kind{Name: "abort", On: onEdges, Needs: needs[deploy.Shaper](), Requests: true,
		Doc:    "Answers requests on an edge with a failure; the callee never hears of them.",
		Params: "status: 400 to 599 on an edge of HTTP, a name such as RESOURCE_EXHAUSTED on one of gRPC; 503 or UNAVAILABLE unless given; " + routeParams,
		build:  newAbort})
}

func newAbort(r chaos.Resolved) (chaos.Fault, error) {
	f := &abort{routed: routed{Percent: 100}}
	if err := decode(r.Args, f); err != nil {
		return nil, err
	}
	return f, f.harm(r, map[string]any{"status": f.Status})
}

// suits implements [suited].
func (f *abort) suits(p topology.Protocol) error {
	if err := f.routed.suits(p); err != nil {
		return err
	}
	return suitsStatus(f.Status, p)
}

// Probe wants an answer over every link that names this fault, and another one
// past the relay.
func (f *abort) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	return f.probe(ctx, s, injected, 2*time.Second, func(a reply) bool {
		return a.err == nil && a.text == "aborted on the way by "+f.rule.ID
	})
}

// Met reports a call that was answered so.
func (f *abort) Met(s collector.Span) bool { return f.on(s, f.answered(s)) }

func (f *abort) answered(s collector.Span) bool {
	if f.Status.IsZero() {
		return s.Code == message.Unavailable(true).String() || s.Code == message.Unavailable(false).String()
	}
	return s.Code == f.Status.String()
}
