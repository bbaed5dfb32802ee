package fault

import (
	"context"
	"fmt"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
)

// restart is a deployment's: the instance is asked to end, may drain, and is
// started again as soon as it has ended, without its supervisor's back-off.
type restart struct {
	victims
	before map[string]deploy.State // so that what came before is not taken for it
	away   map[string]time.Duration
}

func init() {
	register(Kind{Name: "restart", On: onInstances, Needs: needs[deploy.Stopper]().and(watched),
		Doc: "Asks an instance to end with SIGTERM and starts it again at once, as a rolling deployment does.",
		build: func(r chaos.Resolved) (chaos.Fault, error) {
			f := &restart{victims: r.Instances, before: map[string]deploy.State{}, away: map[string]time.Duration{}}
			return f, decode(r.Args, &struct{}{})
		}})
}

// Inject restarts one victim after the other; each has been started again
// before the next is asked to end, which is not to say that it is ready.
func (f *restart) Inject(ctx context.Context, s deploy.System) error {
	inspector, err := deploy.Power[deploy.Inspector](s)
	if err != nil {
		return err
	}
	stopper, err := deploy.Power[deploy.Stopper](s)
	if err != nil {
		return err
	}
	return f.each(func(in string) error {
		st, err := inspector.Inspect(ctx, in)
		if err != nil {
			return err
		}
		f.before[in] = st
		if err := stopper.Stop(ctx, in); err != nil {
			return err
		}
		gone := time.Now()
		err = f.start(ctx, s, in)
		f.away[in] = time.Since(gone)
		return err
	})
}

// start starts an instance that is down: to release it ends the supervisor's
// back-off.
func (f *restart) start(ctx context.Context, s deploy.System, in string) error {
	holder, err := deploy.Power[deploy.Holder](s)
	if err != nil {
		return err
	}
	return holder.Release(ctx, in)
}

// Lift starts whatever is down: a restart cut in two has only ended it.
func (f *restart) Lift(ctx context.Context, s deploy.System) error {
	return f.each(func(in string) error { return f.start(ctx, s, in) })
}

// Passes implements [chaos.Passing]: an instance that is started again is back.
func (f *restart) Passes() bool { return true }

// Probe wants every victim to have begun another life since and to be ready in
// it; after the lift, to run and be ready.
func (f *restart) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	if !injected {
		return f.inspect(ctx, s, well)
	}
	return f.inspect(ctx, s, func(in string, st deploy.State) (string, error) {
		before, known := f.before[in]
		if !known || st.Starts <= before.Starts {
			return "", fmt.Errorf("is %s (start %d)", st.Phase, st.Starts)
		}
		text, err := well(in, st)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("was started again %s after its end: it %s", round(f.away[in]), text), nil
	})
}
