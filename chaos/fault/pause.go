package fault

import (
	"context"
	"fmt"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
)

// pause freezes instances: a grey failure. A frozen instance still takes
// connections, because the kernel accepts them for it, and answers none.
type pause struct{ victims }

func init() {
	register(Kind{Name: "pause", On: onInstances, Needs: needs[deploy.Pauser]().and(needs[deploy.Inspector]()),
		Doc: "Freezes an instance, by SIGSTOP or a container's freezer: it takes connections and answers nothing until it is thawed.",
		build: func(r chaos.Resolved) (chaos.Fault, error) {
			return &pause{victims: r.Instances}, decode(r.Args, &struct{}{})
		}})
}

// Inject freezes every victim.
func (f *pause) Inject(ctx context.Context, s deploy.System) error {
	p, err := deploy.Power[deploy.Pauser](s)
	if err != nil {
		return err
	}
	return f.each(func(in string) error { return p.Pause(ctx, in) })
}

// Lift thaws every victim.
func (f *pause) Lift(ctx context.Context, s deploy.System) error {
	p, err := deploy.Power[deploy.Pauser](s)
	if err != nil {
		return err
	}
	return f.each(func(in string) error { return p.Resume(ctx, in) })
}

// Probe wants every victim to be frozen; after the lift, to run and be ready.
func (f *pause) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	if !injected {
		return f.inspect(ctx, s, well)
	}
	return f.inspect(ctx, s, func(_ string, st deploy.State) (string, error) {
		if st.Phase != deploy.Paused {
			return "", fmt.Errorf("is %s", st.Phase)
		}
		return fmt.Sprintf("is frozen (pid %d)", st.PID), nil
	})
}
