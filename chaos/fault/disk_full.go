package fault

import (
	"context"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/disk"
	kernel "github.com/bedlamlab/bedlam/deploy/impair"
)

// diskFull leaves stores no room for files to grow.
type diskFull struct {
	onDisk
	disk.Full
}

func init() {
	register(Kind{Name: kernel.DiskFull, On: onDisks, Needs: disks,
		Doc:    "Leaves so much room on a store's disk, for files to grow by; then they do not (ENOSPC). What is there already can be written over, and what is removed makes room.",
		Params: "free: bytes that are left, 0 to 268435456 (default 0)",
		build: func(r chaos.Resolved) (chaos.Fault, error) {
			f := &diskFull{}
			if err := decode(r.Args, &f.Full); err != nil {
				return nil, err
			}
			if err := f.Validate(); err != nil {
				return nil, err
			}
			var err error
			f.impaired, err = impair(r, kernel.DiskFull, f.Full)
			return f, err
		}})
}

// Probe wants a file of more than there is room for to be refused for want of
// room by every victim's disk, and to be taken beside it; after the lift, a file
// to be taken, and the victim to run.
func (f *diskFull) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	if !injected {
		return f.takes(ctx, s)
	}
	n, err := f.refuses(ctx, s, syscall.ENOSPC, func(folder string) (int64, error) {
		var st unix.Statfs_t
		if err := unix.Statfs(folder, &st); err != nil {
			return 0, err
		}
		free := int64(st.Bavail) * int64(st.Bsize)
		if free > mostRoom {
			return 0, fmt.Errorf("has room for %d bytes", free)
		}
		return free + sample, nil
	})
	return fmt.Sprintf("a file of %d bytes fails with %q, and beside it does not", n, syscall.ENOSPC), err
}

// mostRoom is what may be left and what a server may have made room of since, in
// bytes: its log is limited to that much.
const mostRoom = 512 << 20
