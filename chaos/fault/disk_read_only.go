package fault

import (
	"context"
	"fmt"
	"syscall"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/disk"
	kernel "github.com/bedlamlab/bedlam/deploy/impair"
)

// diskReadOnly lets stores change nothing on their disk.
type diskReadOnly struct{ onDisk }

func init() {
	register(Kind{Name: kernel.DiskReadOnly, On: onDisks, Needs: disks,
		Doc: "Makes a store's disk read-only (EROFS), as a kernel does that has found an error on it: also for files that are open.",
		build: func(r chaos.Resolved) (chaos.Fault, error) {
			var none disk.ReadOnly
			if err := decode(r.Args, &none); err != nil {
				return nil, err
			}
			f := &diskReadOnly{}
			var err error
			f.impaired, err = impair(r, kernel.DiskReadOnly, none)
			return f, err
		}})
}

// Probe wants a file to be refused by every victim's disk since it is read-only,
// and to be taken beside it; after the lift, to be taken, and the victim to run.
func (f *diskReadOnly) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	if !injected {
		return f.takes(ctx, s)
	}
	_, err := f.refuses(ctx, s, syscall.EROFS, func(string) (int64, error) { return sample, nil })
	return fmt.Sprintf("a file fails with %q, and beside it does not", syscall.EROFS), err
}
