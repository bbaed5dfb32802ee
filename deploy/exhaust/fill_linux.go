package exhaust

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// chunk is what is written at once: small beside any limit, and so large
	// that a GiB takes a thousand calls.
	chunk = 1 << 20
	// again is the pause before another try, where the kernel has refused a
	// page instead of ending somebody. Before Linux 4.19 it did so, and ended
	// the next process that touched one.
	again = 10 * time.Millisecond
)

// fill writes up to most bytes to a nameless file on the tmpfs at dir, and
// keeps them until ctx is done.
func fill(ctx context.Context, dir string, most int64) error {
	fail := func(err error) error { return fmt.Errorf("filling %s: %w", dir, err) }
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fail(err)
	}
	if st.Type != unix.TMPFS_MAGIC { // a disk is not ours to fill
		return fail(errors.New("it is no tmpfs"))
	}
	file, err := unix.Open(dir, unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fail(err)
	}
	defer unix.Close(file)
	zeros := make([]byte, chunk) // a page of a tmpfs that was written is there, whatever is in it
	var written int64
	for ctx.Err() == nil && written < most {
		n, err := unix.Write(file, zeros[:min(chunk, most-written)])
		written += int64(max(n, 0))
		switch {
		case err == nil, errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ENOMEM):
			time.Sleep(again) // so short that nobody need be able to end it
		default:
			return fail(err)
		}
	}
	<-ctx.Done() // somebody may still touch one page too many
	return fail(fmt.Errorf("%w: %d of %d bytes are taken, and the kernel has ended nobody", context.Cause(ctx), written, most))
}
