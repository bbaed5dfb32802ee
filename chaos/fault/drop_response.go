package fault

import (
	"context"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/relay/message"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// dropResponse lets requests have their effect and takes the answers away: the
// caller cannot know whether it was done, and asks again.
type dropResponse struct {
	routed
	Instead message.Instead `json:"instead"`
}

func init() {
	register(Kind{Name: "drop_response", On: onEdges, Needs: needs[deploy.Shaper](), Requests: true,
		Doc: "Lets requests on an edge have their effect and takes the answers away when they are complete.",
		Params: "instead: reset (of the stream of gRPC, which its callers take for INTERNAL, or of HTTP's connection), silence, or a status such as UNAVAILABLE or 502; reset unless given; " +
			routeParams,
		build: newDropResponse})
}

func newDropResponse(r chaos.Resolved) (chaos.Fault, error) {
	f := &dropResponse{routed: routed{Percent: 100}}
	if err := decode(r.Args, f); err != nil {
		return nil, err
	}
	return f, f.harm(r, map[string]any{"instead": f.Instead})
}

// suits implements [suited].
func (f *dropResponse) suits(p topology.Protocol) error {
	if err := f.routed.suits(p); err != nil {
		return err
	}
	return suitsStatus(f.Instead.Status, p)
}

// Probe wants no answer over any link but what comes instead, and one past the
// relay.
func (f *dropResponse) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	// As in links.silence: half a second of silence is no accident.
	limit := 500 * time.Millisecond
	if !f.Instead.Silence {
		limit = 2 * time.Second
	}
	return f.probe(ctx, s, injected, limit, func(a reply) bool {
		switch {
		case f.Instead.Silence:
			return silent(a.err)
		case f.Instead.Status.IsZero():
			return wasReset(a.err) || a.err != nil && strings.Contains(a.err.Error(), "INTERNAL_ERROR")
		}
		return a.err == nil && a.text == "answer lost on the way by "+f.rule.ID
	})
}

// Met reports a call that ended so.
func (f *dropResponse) Met(s collector.Span) bool {
	return f.on(s, s.Error && (f.Instead.Status.IsZero() || s.Code == f.Instead.Status.String()))
}
