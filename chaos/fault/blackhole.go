package fault

import (
	"context"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
)

// blackhole makes callees take connections and answer nothing. Unlike those of
// a partition, its connections do not outlive it: who spoke into it is reset.
type blackhole struct{ links }

func init() {
	register(Kind{Name: "blackhole", On: onEdges, Needs: needs[deploy.Shaper](),
		Doc: "Turns the callee into a peer that accepts connections and never answers, without closing any; " +
			"when it is lifted, connections that met it are reset.",
		Params: "direction: to|from|both; from: the callee hears and its answers are lost",
		build: func(r chaos.Resolved) (chaos.Fault, error) {
			f := &blackhole{}
			if err := decode(r.Args, f); err != nil {
				return nil, err
			}
			return f, f.shape(r, "blackhole", nil)
		}})
}

// Probe wants every link to take a connection and to keep silent on it; after
// the lift, answers.
func (f *blackhole) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	if !injected {
		return f.answers(ctx, s)
	}
	saw, err := f.silence(ctx, s, unanswered)
	return saw + " after it was connected", err
}
