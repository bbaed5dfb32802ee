package fault

import (
	"context"
	"fmt"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
)

// oom is an end that the kernel makes: the instance's memory is taken up to its
// limit from beside it. Its callers see a crash; what differs is who was asked,
// how the end is told, and that nothing in the instance had a say in it.
type oom struct{ *end }

func init() {
	register(Kind{Name: "oom", On: onInstances, Needs: needs[deploy.Exhauster]().apart().and(watched), Params: endParams,
		Doc: "Takes an instance's memory up to its limit, so that the kernel's OOM killer ends it; its supervisor restarts it. Needs containers, or --isolation full.",
		build: func(r chaos.Resolved) (chaos.Fault, error) {
			e, err := newEnd(r, exhaust)
			return &oom{e}, err
		}})
}

func exhaust(ctx context.Context, s deploy.System, in string) error {
	p, err := deploy.Power[deploy.Exhauster](s)
	if err != nil {
		return err
	}
	return p.Exhaust(ctx, in)
}

// Probe wants of every victim what it wants of one that was killed, and that it
// was the kernel that ended it, for want of memory.
func (f *oom) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	if !injected {
		return f.end.Probe(ctx, s, false)
	}
	return f.inspect(ctx, s, func(in string, st deploy.State) (string, error) {
		before, known := f.before[in]
		switch ended := known && st.OOMKills > before.OOMKills; {
		case ended && st.Phase == deploy.Down:
			return "was ended for want of memory and is down", nil
		case ended && st.Starts > before.Starts:
			return fmt.Sprintf("was ended for want of memory and is started again (start %d)", st.Starts), nil
		}
		return "", fmt.Errorf("is %s (start %d), and nobody says that it was ended for want of memory", st.Phase, st.Starts)
	})
}
