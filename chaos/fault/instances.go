package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// victims are the instances that a fault harms.
type victims []string

// each calls do for every victim, also after an error, so that one that
// cannot be lifted does not keep the others harmed.
func (v victims) each(do func(instance string) error) error {
	var errs []error
	for _, in := range v {
		if err := do(in); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", in, err))
		}
	}
	return errors.Join(errs...)
}

// inspect asks for every victim's state and returns what want says about it;
// the first thing that is not as wanted is the error.
func (v victims) inspect(ctx context.Context, s deploy.System, want func(instance string, st deploy.State) (string, error)) (string, error) {
	p, err := deploy.Power[deploy.Inspector](s)
	if err != nil {
		return "", err
	}
	var saw []string
	err = v.each(func(in string) error {
		st, err := p.Inspect(ctx, in)
		if err != nil {
			return err
		}
		text, err := want(in, st)
		if err != nil {
			return err
		}
		saw = append(saw, in+" "+text)
		return nil
	})
	return strings.Join(saw, ", "), err
}

// well wants an instance that runs and answers its health check.
func well(_ string, st deploy.State) (string, error) {
	if st.Phase != deploy.Running || !st.Ready {
		return "", fmt.Errorf("is %s, ready %t", st.Phase, st.Ready)
	}
	return fmt.Sprintf("runs and is ready (start %d)", st.Starts), nil
}

// Met reports a failed call to one of the victims.
func (v victims) Met(s collector.Span) bool {
	return s.Error && slices.Contains(v, s.PeerInstance)
}
