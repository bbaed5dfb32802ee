package fault

import (
	"context"
	"fmt"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	kernel "github.com/bedlamlab/bedlam/deploy/impair"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// cpuHog has instances divide their share of the processors with busy threads.
type cpuHog struct {
	impaired
	kernel.Hog
}

func init() {
	register(Kind{Name: kernel.CPUHog, On: onInstances, Needs: impairs,
		Doc:    "Puts busy threads beside an instance, which take of its share of the processors what they get; what it does not have for itself alone is taken from others too.",
		Params: "workers: 1 to 64 threads",
		build: byKernel(kernel.CPUHog, "", func() (chaos.Fault, *impaired, validator) {
			f := &cpuHog{}
			return f, &f.impaired, &f.Hog
		})})
}

// hogTime is how long hogs are watched: on a machine that is much too busy they
// still get some ticks of it.
const hogTime = 300 * time.Millisecond

// Probe wants busy threads beside every victim, which get some of the
// processors' time while they are watched, and none beside an instance that is
// not harmed; after the lift, none.
func (f *cpuHog) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	if !injected {
		err := f.each(func(in string) error {
			hogs, err := f.hogs(ctx, s, in)
			if err == nil && len(hogs) > 0 {
				err = fmt.Errorf("there are still %d beside it", len(hogs))
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
	if hogs, err := f.hogs(ctx, s, peer); err != nil || len(hogs) > 0 {
		return "", fmt.Errorf("there are %d beside %s as well, which is not harmed (%v): that it is this fault's doing cannot be told", len(hogs), peer, err)
	}
	var sum time.Duration
	began := time.Now()
	err = f.each(func(in string) error {
		before, err := f.had(ctx, s, in)
		if err != nil {
			return err
		}
		if err := wait(ctx, hogTime); err != nil {
			return err
		}
		after, err := f.had(ctx, s, in)
		if err == nil && after <= before {
			err = fmt.Errorf("the threads beside it have had no time in %s", hogTime)
		}
		sum += after - before
		return err
	})
	return fmt.Sprintf("%s beside %s had %s of the processors' time in %s", count(f.Workers, "thread", "threads"),
		count(len(f.victims), "instance", "instances"), round(sum), round(time.Since(began))), err
}

func (f *cpuHog) hogs(ctx context.Context, s deploy.System, instance string) ([]int, error) {
	process, err := pid(ctx, s, instance)
	if err != nil {
		return nil, err
	}
	return kernel.Hogs(process)
}

// had is how much of the processors' time the hogs beside an instance have had.
func (f *cpuHog) had(ctx context.Context, s deploy.System, instance string) (sum time.Duration, err error) {
	hogs, err := f.hogs(ctx, s, instance)
	for _, hog := range hogs {
		d, err := kernel.CPUTime(hog)
		if err != nil {
			return 0, err
		}
		sum += d
	}
	return sum, err
}

// Met reports a call that a victim served, or did not, beside the hogs.
func (f *cpuHog) Met(s collector.Span) bool { return f.served(s) }

// wait lets time pass, or the context's.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
