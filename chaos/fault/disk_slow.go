package fault

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/disk"
	kernel "github.com/bedlamlab/bedlam/deploy/impair"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// diskSlow makes a share of what stores do on their disk take longer.
type diskSlow struct {
	onDisk
	disk.Slow
}

func init() {
	register(Kind{Name: kernel.DiskSlow, On: onDisks, Needs: disks,
		Doc:    "Makes reads, writes and fsyncs on a store's disk take longer. A commit waits for a write and an fsync of the log; what the kernel has in memory is read at once, as from any disk.",
		Params: "latency: 5ms to 1s, of each operation; percent: 5 to 100 (default 100), of the operations; operations: [read, write, fsync] (default all)",
		build: func(r chaos.Resolved) (chaos.Fault, error) {
			f := &diskSlow{Slow: disk.Slow{Percent: 100}}
			if err := decode(r.Args, &f.Slow); err != nil {
				return nil, err
			}
			if f.Seed != 0 {
				return nil, errors.New(`unknown field "seed"`) // the run has one
			}
			if err := f.Validate(); err != nil {
				return nil, err
			}
			var err error
			f.impaired, err = impair(r, kernel.DiskSlow, f.Slow)
			return f, err
		}})
}

// Probe wants each of the operations to take at least as long as it is to on
// every victim's disk, within as many tries as the share asks for, and to take
// less than half of that beside it; after the lift, the disk to say that it is
// not slow, and not to be, and the victim to run.
func (f *diskSlow) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	least := f.Latency.D()
	if !injected {
		if f.shown(ctx, s) == nil { // of a share, some tries in a row may miss it
			return "", errors.New("the disk says that it still is slow")
		}
		err := f.visit(s, func(_, own, _ string) error {
			return f.timed(ctx, own, controls, endless, func(o disk.Operation, quickest, _ time.Duration) error {
				if quickest >= least {
					return fmt.Errorf("a %s still takes %s", o, round(quickest))
				}
				return nil
			})
		})
		if err != nil {
			return "", err
		}
		return f.inspect(ctx, s, well)
	}
	if err := f.shown(ctx, s); err != nil {
		return "", err
	}
	var saw []string
	err := f.visit(s, func(_, own, beside string) error {
		slowest := map[disk.Operation]time.Duration{}
		err := f.timed(ctx, own, f.tries(), least, func(o disk.Operation, _, took time.Duration) error {
			if slowest[o] = took; took < least {
				return fmt.Errorf("a %s takes %s at the most", o, round(took))
			}
			return nil
		})
		if err != nil {
			return err
		}
		return f.timed(ctx, beside, controls, endless, func(o disk.Operation, quickest, _ time.Duration) error {
			if quickest >= least/2 {
				return fmt.Errorf("beside it, a %s takes %s as well: that it is this fault's doing cannot be told", o, round(quickest))
			}
			saw = append(saw, fmt.Sprintf("a %s takes %s, beside it %s", o, round(slowest[o]), round(quickest)))
			return nil
		})
	})
	return strings.Join(saw, ", "), err
}

// controls is how often an operation is done that should not be slow: the
// machine's own disk is sometimes, and not always.
const controls = 5

// endless is how slow no operation is.
const endless time.Duration = math.MaxInt64

// tries is how often an operation is done before it is sure, but for one in a
// million, that one of them is hit.
func (f *diskSlow) tries() int {
	if f.Percent >= 100 {
		return 1
	}
	return int(math.Ceil(math.Log(1e-6) / math.Log(1-f.Percent.Share())))
}

// timed does each of the operations up to so many times on a file of its own in
// a folder, and tells the quickest and the slowest of each. One that was slow
// enough is the last of its kind.
func (f *diskSlow) timed(ctx context.Context, folder string, times int, enough time.Duration, tell func(o disk.Operation, quickest, slowest time.Duration) error) error {
	p, err := disk.NewPage(folder)
	if err != nil {
		return err
	}
	defer p.Close()
	for _, o := range f.Slows() {
		quickest, slowest := endless, time.Duration(0)
		for at := 0; at < times && slowest < enough; at++ {
			took, err := p.Do(o)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return fmt.Errorf("%s: %w", o, err)
			}
			quickest, slowest = min(quickest, took), max(slowest, took)
		}
		if err := tell(o, quickest, slowest); err != nil {
			return err
		}
	}
	return nil
}

// Met reports a statement at one of the victims that lasted for as long as one
// operation at least, as those do that commit.
func (f *diskSlow) Met(s collector.Span) bool {
	return f.served(s) && s.Duration() >= f.Latency.D()
}
