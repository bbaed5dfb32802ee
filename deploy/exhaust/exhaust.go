// Package exhaust makes a container run out of memory, from within. [Main] is
// the command for it, which an engine has put into a running container.
//
//	container ─┬─ the service (process 1): the kernel's first choice from now on
//	           ├─ this command ─────────── small; writes …
//	           └─ a file on its tmpfs ──── … until the container's limit is met
//
// The pages of a tmpfs count against the memory of the container whose process
// writes them, with cgroups of either version, and belong to no process. When
// the limit is met there is nothing for the kernel to take back, so that it
// ends a process. Which one would be a matter of a few MB between a service and
// this command, or of luck among a server's backends; so process 1 is named to
// it first, with which all others of the container end.
//
// The file never has a name: it is gone with this command, and with the
// container, however they end. In time, patience bounds it, and the life of
// whoever asked for it, who holds the other end of its standard input.
package exhaust

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
)

// patience is how long the command goes on. A GiB is written in a second or
// two; the kernel may take some more of them to be sure that nothing else can be
// taken back.
const patience = 15 * time.Second

// errLeft is why it ends when its input does.
var errLeft = errors.New("whoever asked for it has left")

// within returns a context that ends when patience or in does: then what was
// done is taken back, which nobody can do who was ended by a SIGKILL.
func within(ctx context.Context, in io.Reader) (context.Context, context.CancelFunc) {
	ctx, leave := context.WithCancelCause(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, in) // an input that fails is at its end, too
		leave(errLeft)
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("given up after %s", patience))
	return ctx, func() {
		cancel()
		leave(nil)
	}
}

// Main fills the tmpfs at dir with at most that many bytes, which is the
// container's limit, and goes on until in ends. It never succeeds: the error
// says why the container lives.
//
// Whoever runs it elsewhere than in a container into which it was put from
// outside is refused: its end would be that of a machine's processes.
func Main(ctx context.Context, in io.Reader, dir, bytes string) error {
	most, err := strconv.ParseInt(bytes, 10, 64)
	if err != nil || most <= 0 {
		return fmt.Errorf("%q is no number of bytes", bytes)
	}
	// The parent of a process that was put into a namespace has no number there.
	if os.Getppid() != 0 {
		return fmt.Errorf("this is only for a container, into which an engine puts it")
	}
	ctx, cancel := within(ctx, in)
	defer cancel()
	before, err := prefer(1)
	if err != nil {
		return err
	}
	defer before.Restore()
	return fill(ctx, dir, most)
}
