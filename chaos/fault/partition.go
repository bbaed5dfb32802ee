package fault

import (
	"context"
	"errors"
	"fmt"
	"time"

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
	// An unharmed link on loopback answers within milliseconds; half a second
	// of silence is no accident even on a busy machine, and short beside the
	// fault phase.
	const patience = 500 * time.Millisecond
	results := make(chan error, len(f.rule.Links))
	for _, link := range f.rule.Links {
		go func() {
			took, err := f.ping(ctx, s, link, patience)
			switch {
			case err == nil:
				results <- fmt.Errorf("%s answered after %s", link, round(took))
			case !silent(err):
				results <- fmt.Errorf("%s: not silent: %w", link, err)
			default:
				results <- nil
			}
		}()
	}
	var errs []error
	for range f.rule.Links {
		errs = append(errs, <-results)
	}
	return fmt.Sprintf("%s silent for %s", count(len(f.rule.Links), "link", "links"), patience), errors.Join(errs...)
}
