package fault

import (
	"context"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
)

// partition cuts links silently, as a network does: nothing arrives and
// nobody is told.
type partition struct{ links }

func init() {
	register(Kind{Name: "partition", On: onEdges, Needs: needs[deploy.Shaper](),
		Doc:    "Cuts an edge silently: nothing arrives and nothing is closed.",
		Params: "direction: to|from|both",
		build: func(r chaos.Resolved) (chaos.Fault, error) {
			f := &partition{}
			if err := decode(r.Args, f); err != nil {
				return nil, err
			}
			return f, f.shape(r, "partition", nil)
		}})
}

// Probe wants silence on every link; after the lift, answers.
func (f *partition) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	if !injected {
		return f.answers(ctx, s)
	}
	return f.silence(ctx, s, silent)
}
