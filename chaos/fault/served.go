package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// served reports whether a span is a call that a victim was to serve. Where a
// harm has no least effect on a call, such as a clock that is wrong or a
// processor that is shared, this is what it takes to have met it: that the harm
// was there meanwhile is the probe's to say.
func (f impaired) served(s collector.Span) bool { return slices.Contains(f.victims, s.PeerInstance) }

// shown wants the kernel to show the harm on every victim.
func (f impaired) shown(ctx context.Context, s deploy.System) error {
	p, err := deploy.Power[deploy.Impairer](s)
	if err != nil {
		return err
	}
	all, err := p.Impairments(ctx, f.impairment.ID)
	if err != nil {
		return fmt.Errorf("reading back what the kernel shows: %w", err)
	}
	return f.each(func(in string) error {
		if !slices.ContainsFunc(all, func(i deploy.Impairment) bool { return slices.Contains(i.Instances, in) }) {
			return errors.New("the kernel does not show it")
		}
		return nil
	})
}

// pid is an instance's main process. It is a process of this machine wherever
// the kernel harms instances.
func pid(ctx context.Context, s deploy.System, instance string) (int, error) {
	p, err := deploy.Power[deploy.Inspector](s)
	if err != nil {
		return 0, err
	}
	st, err := p.Inspect(ctx, instance)
	if err == nil && st.PID == 0 {
		err = fmt.Errorf("%s is %s", instance, st.Phase)
	}
	return st.PID, err
}
