package fault

import (
	"context"
	"fmt"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
)

// end is an instance's end, sudden or asked for. Its supervisor starts it
// again after its back-off, unless Hold keeps it down until the lift.
type end struct {
	victims
	Hold bool `json:"hold"`

	ask    func(ctx context.Context, s deploy.System, instance string) error
	before map[string]deploy.State // so that a quick restart is not mistaken for none
}

// What every kind of end needs besides, and takes.
var watched = needs[deploy.Inspector]().and(needs[deploy.Holder]())

const endParams = "hold: true keeps the supervisor from restarting it until the lift"

func init() {
	register(Kind{Name: "kill", On: onInstances, Needs: needs[deploy.Killer]().and(watched), Params: endParams,
		Doc: "Ends an instance at once with SIGKILL, as a crash does; its supervisor restarts it.",
		build: ends(func(ctx context.Context, s deploy.System, in string) error {
			p, err := deploy.Power[deploy.Killer](s)
			if err != nil {
				return err
			}
			return p.Kill(ctx, in)
		})})
	register(Kind{Name: "stop", On: onInstances, Needs: needs[deploy.Stopper]().and(watched), Params: endParams,
		Doc: "Asks an instance to end with SIGTERM, as a deployment does: it should drain; its supervisor restarts it.",
		build: ends(func(ctx context.Context, s deploy.System, in string) error {
			p, err := deploy.Power[deploy.Stopper](s)
			if err != nil {
				return err
			}
			return p.Stop(ctx, in)
		})})
}

func ends(ask func(context.Context, deploy.System, string) error) func(chaos.Resolved) (chaos.Fault, error) {
	return func(r chaos.Resolved) (chaos.Fault, error) { return newEnd(r, ask) }
}

func newEnd(r chaos.Resolved, ask func(context.Context, deploy.System, string) error) (*end, error) {
	f := &end{victims: r.Instances, ask: ask, before: map[string]deploy.State{}}
	return f, decode(r.Args, f)
}

// Inject ends every victim.
func (f *end) Inject(ctx context.Context, s deploy.System) error {
	inspector, err := deploy.Power[deploy.Inspector](s)
	if err != nil {
		return err
	}
	return f.each(func(in string) error {
		st, err := inspector.Inspect(ctx, in)
		if err != nil {
			return err
		}
		f.before[in] = st
		if f.Hold {
			holder, err := deploy.Power[deploy.Holder](s)
			if err != nil {
				return err
			}
			if err := holder.Hold(ctx, in); err != nil {
				return err
			}
		}
		return f.ask(ctx, s, in)
	})
}

// Lift lets the supervisors restart the victims.
func (f *end) Lift(ctx context.Context, s deploy.System) error {
	holder, err := deploy.Power[deploy.Holder](s)
	if err != nil {
		return err
	}
	return f.each(func(in string) error { return holder.Release(ctx, in) })
}

// Passes implements [chaos.Passing]: unless it is held, the supervisor starts a
// victim again while the fault is still on.
func (f *end) Passes() bool { return !f.Hold }

// Probe wants every victim to be down or to have been started again since;
// after the lift, to run and be ready.
func (f *end) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	if !injected {
		return f.inspect(ctx, s, well)
	}
	return f.inspect(ctx, s, func(in string, st deploy.State) (string, error) {
		before, known := f.before[in]
		switch {
		case st.Phase == deploy.Down:
			return "is down", nil
		case known && st.Starts > before.Starts:
			return fmt.Sprintf("was down and is started again (start %d)", st.Starts), nil
		}
		return "", fmt.Errorf("is %s (start %d)", st.Phase, st.Starts)
	})
}
