package fault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	kernel "github.com/bedlamlab/bedlam/deploy/impair"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// cpuQuota leaves instances little of the processors' time.
type cpuQuota struct {
	impaired
	kernel.Quota
}

func init() {
	register(Kind{Name: kernel.CPUQuota, On: onInstances, Needs: impairs,
		Doc:    "Leaves an instance that many processors' time: of each 100 ms it works its share, and stands still for the rest.",
		Params: "cpus: 0.01 to 0.5",
		build: byKernel(kernel.CPUQuota, "", func() (chaos.Fault, *impaired, validator) {
			f := &cpuQuota{}
			return f, &f.impaired, &f.Quota
		})})
}

const (
	// workTime bounds how long a probe keeps an instance at work.
	workTime = 3 * time.Second
	// workload is what is asked of it at once for each processor that it may
	// have, in bytes of answers: some ten thousand of them, which are more work
	// than it may do in a period.
	workload = 400 << 10
)

// Probe gives every victim work until the kernel has stopped it for its quota,
// and as much to an instance that is not harmed, which it must not stop; after
// the lift, it must not stop anybody.
func (f *cpuQuota) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	if !injected {
		if f.shown(ctx, s) == nil {
			return "", errors.New("the kernel still shows it")
		}
		err := f.each(func(in string) error {
			times, took, err := f.work(ctx, s, in, 1)
			if err == nil && times > 0 {
				err = fmt.Errorf("is still stopped, %d times in %s", times, round(took))
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
	most, sum := 0, 0
	err = f.each(func(in string) error {
		for began := time.Now(); ; {
			times, _, err := f.work(ctx, s, in, 1)
			if err != nil {
				return err
			}
			most++
			if sum += times; times > 0 {
				return nil
			}
			if time.Since(began) > workTime {
				return fmt.Errorf("has worked for %s and was never stopped", workTime)
			}
		}
	})
	if err != nil {
		return "", err
	}
	if times, _, err := f.work(ctx, s, peer, most); err != nil || times > 0 {
		return "", fmt.Errorf("%s, which is not harmed, was stopped %d times as well (%v): that it is this fault's doing cannot be told", peer, times, err)
	}
	return fmt.Sprintf("stopped in %d periods of %s, and %s in none", sum, kernel.QuotaPeriod, peer), nil
}

// work asks an instance for as many answers as keep it busy, some rounds of
// them, and returns in how many periods the kernel has stopped it meanwhile.
func (f *cpuQuota) work(ctx context.Context, s deploy.System, instance string, rounds int) (int, time.Duration, error) {
	process, err := pid(ctx, s, instance)
	if err != nil {
		return 0, 0, err
	}
	g, err := kernel.CgroupOf(process, "cpu")
	if err != nil {
		return 0, 0, err
	}
	before, err := g.Number("cpu.stat", "nr_throttled")
	if err != nil {
		return 0, 0, fmt.Errorf("how often it is stopped cannot be told: %w", err)
	}
	address, err := s.Address("", instance)
	if err != nil {
		return 0, 0, err
	}
	protocol := protocolAt(s.Topology(), instance)
	dsn, err := login(s, protocol, instance)
	if err != nil {
		return 0, 0, err
	}
	var all time.Duration
	for range rounds {
		_, took, err := exchange(ctx, protocol, address, dsn, load{from: int(f.CPUs * workload)})
		if err != nil {
			return 0, 0, err
		}
		all += took
	}
	after, err := g.Number("cpu.stat", "nr_throttled")
	return int(after - before), all, err
}

// floor is half of the time for which it is stopped in each period, if it has
// work: what comes in between waits as much on average.
func (f *cpuQuota) floor() time.Duration {
	return time.Duration((1 - f.CPUs) / 2 * float64(kernel.QuotaPeriod))
}

// Met reports a call to or by one of the victims that failed, or that lasted as
// long as it stands still.
func (f *cpuQuota) Met(s collector.Span) bool {
	return f.called(s) && (s.Error || s.Duration() >= f.floor())
}
