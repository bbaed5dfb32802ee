package fault

import (
	"context"
	"fmt"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	kernel "github.com/bedlamlab/bedlam/deploy/impair"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// memoryBalloon takes a share of instances' memory without ending them.
type memoryBalloon struct {
	impaired
	kernel.Balloon
}

func init() {
	register(Kind{Name: kernel.MemoryBalloon, On: onInstances, Needs: impairs,
		Doc:    "Takes a share of an instance's memory limit from beside it. If the rest is not enough, the kernel takes that share back, not the instance.",
		Params: "memory: 1 to 98 percent of the limit",
		build: byKernel(kernel.MemoryBalloon, "", func() (chaos.Fault, *impaired, validator) {
			f := &memoryBalloon{}
			return f, &f.impaired, &f.Balloon
		})})
}

// Probe wants that share of every victim's limit to be taken by somebody beside
// it and the victim to be alive, and nothing to be taken beside an instance that
// is not harmed; after the lift, nothing at all.
func (f *memoryBalloon) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	if !injected {
		err := f.each(func(in string) error {
			n, err := f.taken(ctx, s, in)
			if err == nil && n > 0 {
				err = fmt.Errorf("%d MiB are still taken", n>>20)
			}
			return err
		})
		if err != nil {
			return "", err
		}
		return f.inspect(ctx, s, well)
	}
	if err := f.shown(ctx, s); err != nil {
		return "", err
	}
	peer, err := f.peer(s)
	if err != nil {
		return "", err
	}
	if n, err := f.taken(ctx, s, peer); err != nil || n > 0 {
		return "", fmt.Errorf("%d MiB are taken beside %s as well, which is not harmed (%v): that it is this fault's doing cannot be told", n>>20, peer, err)
	}
	return f.inspect(ctx, s, func(in string, st deploy.State) (string, error) {
		n, err := f.taken(ctx, s, in)
		if err == nil && (n == 0 || st.Phase == deploy.Down) {
			err = fmt.Errorf("%d bytes are taken, and it is %s", n, st.Phase)
		}
		return fmt.Sprintf("runs, and %d MiB are taken", n>>20), err
	})
}

func (f *memoryBalloon) taken(ctx context.Context, s deploy.System, instance string) (int64, error) {
	process, err := pid(ctx, s, instance)
	if err != nil {
		return 0, err
	}
	return kernel.Balloons(process)
}

// Met reports a call that a victim served, or did not, with what was left.
func (f *memoryBalloon) Met(s collector.Span) bool { return f.served(s) }
