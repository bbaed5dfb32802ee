package impair

import (
	"context"
	"encoding/json"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/disk"
)

func init() {
	register(DiskFull, func(i deploy.Impairment) (Harm, error) {
		var a disk.Full
		err := arguments(i.Args, &a, func() error { return a.Validate() })
		return diskHarm{a}, err
	})
	register(DiskSlow, func(i deploy.Impairment) (Harm, error) {
		var a disk.Slow
		err := arguments(i.Args, &a, func() error { return a.Validate() })
		a.Seed = i.Seed
		return diskHarm{a}, err
	})
	register(DiskReadOnly, func(i deploy.Impairment) (Harm, error) {
		var a disk.ReadOnly
		return diskHarm{a}, arguments(i.Args, &a, func() error { return nil })
	})
}

// diskHarm is something that ails the disk of an instance. It outlives the
// instance's processes, and is told anew to a disk that is served anew.
type diskHarm struct{ disk.Ailment }

// Can implements [Harm].
func (diskHarm) Can(t Target) error {
	if t.Disk.Folder == "" {
		return Lacks("its files stand on a disk that it shares with this machine", "where a fault of the run needs it, each store gets one of its own, as root on Linux with /dev/fuse, but not with --isolation none")
	}
	return nil
}

// Apply implements [Harm]. Nothing of what was there before has to be known.
func (d diskHarm) Apply(ctx context.Context, t Target, _ func(any) error) error {
	return t.Disk.Ail(ctx, d.Ailment)
}

// Undo implements [Harm].
func (d diskHarm) Undo(ctx context.Context, t Target, _ json.RawMessage) error {
	return t.Disk.Cure(ctx, d.Name())
}

// Shows implements [Harm].
func (d diskHarm) Shows(ctx context.Context, t Target) (bool, error) {
	return t.Disk.Ails(ctx, d.Ailment)
}
