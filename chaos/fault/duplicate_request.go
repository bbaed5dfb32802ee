package fault

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// duplicateRequest sends requests twice, as a network or a proxy that asks again
// does: the callee sees both, the caller gets the answer to the first.
type duplicateRequest struct{ routed }

func init() {
	register(Kind{Name: "duplicate_request", On: onEdges, Needs: needs[deploy.Shaper]().and(needs[deploy.Teller]()), Requests: true,
		Doc:    "Sends requests on an edge a second time as soon as they are complete; the caller gets the answer to the first.",
		Params: routeParams,
		build:  newDuplicateRequest})
}

func newDuplicateRequest(r chaos.Resolved) (chaos.Fault, error) {
	f := &duplicateRequest{routed{Percent: 100}}
	if err := decode(r.Args, f); err != nil {
		return nil, err
	}
	return f, f.harm(r, nil)
}

// Probe asks over every link and wants the callee to have answered a second
// time: that does not show to who asked, so the relay is asked whether one of
// the probe's own trace ids was answered twice. After the lift, none.
func (f *duplicateRequest) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	p, err := deploy.Power[deploy.Teller](s)
	if err != nil {
		return "", err
	}
	err = f.each(func(link topology.Link) error {
		var own []string
		for n := 1; ; n++ {
			a := f.ask(ctx, s, link.From, link, 2*time.Second)
			if a.err != nil {
				return a.err
			}
			if own = append(own, a.trace); f.enough(n) {
				break
			}
		}
		twice, err := f.twice(ctx, p, own)
		switch {
		case err != nil:
			return err
		case injected && !twice:
			return fmt.Errorf("%s answered once", count(len(own), "request was", "requests were"))
		case !injected && twice:
			return fmt.Errorf("a request was still answered twice")
		}
		return nil
	})
	if !injected {
		return fmt.Sprintf("%s once", count(len(f.rule.Links), "link's requests are answered", "links' requests are answered")), err
	}
	return fmt.Sprintf("%s twice", count(len(f.rule.Links), "link's requests are answered", "links' requests are answered")), err
}

// twice waits for one of the traces to be told as answered twice. A copy that
// has not been answered half a second after its twin was not sent.
func (f *duplicateRequest) twice(ctx context.Context, p deploy.Teller, own []string) (bool, error) {
	const patience, pause = 500 * time.Millisecond, 20 * time.Millisecond
	for begin := time.Now(); ; {
		t, err := p.Touched(ctx, f.rule.ID)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(own, func(id string) bool { return slices.Contains(t.Traces, id) }) {
			return true, nil
		}
		if time.Since(begin) > patience {
			return false, nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// Met reports a call that was sent twice.
func (f *duplicateRequest) Met(s collector.Span) bool { return f.on(s, true) }
