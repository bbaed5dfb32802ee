package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

// RuleTTL bounds a rule's life without the controller's heartbeat: the lease
// of a run, after which nothing of it may still be harmful.
const RuleTTL = topology.Duration(5 * time.Second)

// A Rule is the harm that one rule of the relay does, as it stands: what every
// fault on edges comes to, without a probe and without witnesses.
type Rule deploy.Rule

// Inject programs the relay.
func (r Rule) Inject(ctx context.Context, s deploy.System) error {
	p, err := deploy.Power[deploy.Shaper](s)
	if err != nil {
		return err
	}
	return p.Shape(ctx, deploy.Rule(r))
}

// Lift takes the rule away and reads back that it is gone. It needs nothing of
// the rule but its ID.
func (r Rule) Lift(ctx context.Context, s deploy.System) error {
	p, err := deploy.Power[deploy.Shaper](s)
	if err != nil {
		return err
	}
	if err := p.Unshape(ctx, r.ID); err != nil {
		return err
	}
	left, err := p.Rules(ctx)
	if err != nil {
		return fmt.Errorf("reading the relay's rules back: %w", err)
	}
	if slices.ContainsFunc(left, func(l deploy.Rule) bool { return l.ID == r.ID }) {
		return errors.New("the relay still has the rule")
	}
	return nil
}
