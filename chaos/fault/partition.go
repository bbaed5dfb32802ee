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
			if err := decode(r.Args, &struct{}{}); err != nil {
				return nil, err
			}
			l, err := shape(r, "partition", nil)
			return &partition{l}, err
		}})
}

// Probe wants silence on every link; after the lift, answers.
func (f *partition) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	if !injected {
		return f.answers(ctx, s)
	}
	return f.silence(ctx, s, silent)
}
