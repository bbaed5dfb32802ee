package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/bedlamlab/bedlam/deploy/supervise"
)

// lastWords is how long the end of a container's output may take to come after
// its end.
const lastWords = time.Second

// A life is a container from a start to its next end.
type life struct {
	daemon    *daemon
	container string
	id        supervise.Identity
	died      <-chan struct{} // closed when its first process has; nil where the kernel does not tell
	ended     chan struct{}   // closed when the daemon says so
	why       error           // read it after ended
	heard     chan struct{}   // closed when its output has come to its end
	deafen    func()          // nobody listens to any of these any more
	exhausted func() bool     // exhaust has been at work on it
}

// errEnded is all that is known of some ends.
var errEnded = errors.New("its process has ended")

// attend follows the life of a container that began then. exhausted is asked at
// its end.
func (d *daemon) attend(v view, began time.Time, log *os.File, exhausted func() bool) *life {
	l := &life{daemon: d, container: v.ID, id: supervise.Identity{PID: v.PID, Start: uint64(v.Started.UnixNano())},
		ended: make(chan struct{}), heard: make(chan struct{}), exhausted: exhausted}
	hear, cancel := context.WithCancel(context.Background())
	died, forget := death(v.PID)
	l.died, l.deafen = died, func() { cancel(); forget() }
	go func() {
		defer close(l.heard)
		if err := d.follow(hear, l.container, began, log); err != nil {
			fmt.Fprintln(log, "bedlam:", err)
		}
	}()
	go func() {
		defer close(l.ended)
		l.why = l.end(hear)
	}()
	return l
}

// end waits for the daemon's word, as long as ctx lasts. A daemon that does not
// answer is asked again: its silence is no sign of the container's end.
func (l *life) end(ctx context.Context) error {
	for {
		e, err := l.daemon.wait(ctx, l.container)
		switch {
		case ctx.Err() != nil:
			return errors.New("nobody waits for its end any more")
		case errors.Is(err, errUnknown):
			return errors.New("its container was removed")
		case err == nil:
			return l.settle(e)
		}
		supervise.Sleep(ctx, glance)
	}
}

// Error says how a life ended, as os.ProcessState does of a process.
func (e exit) Error() string {
	switch {
	case e.OOMKilled:
		return "signal: killed (out of memory)"
	case e.Code > 128:
		return "signal: " + syscall.Signal(e.Code-128).String()
	}
	return fmt.Sprintf("exit status %d", e.Code)
}

// Identity implements [supervise.Life].
func (l *life) Identity() supervise.Identity { return l.id }

// Wait implements [supervise.Life]. The kernel says at once that the process
// has died; the daemon says so when it has taken its network down, a few 100 ms
// later, in which the relay would lead callers nowhere.
func (l *life) Wait() {
	select {
	case <-l.died:
	case <-l.ended:
	}
}

// Ask implements [supervise.Life].
func (l *life) Ask(ctx context.Context, sig syscall.Signal) {
	l.daemon.kill(ctx, l.container, sig)
	l.daemon.unpause(ctx, l.container)
}

// End implements [supervise.Life].
func (l *life) End(ctx context.Context) error {
	select {
	case <-l.died: // and the daemon is about to know
	default:
		if err := gone(l.daemon.kill(ctx, l.container, syscall.SIGKILL)); err != nil && !errors.Is(err, supervise.ErrGone) {
			return err
		}
	}
	select {
	case <-l.ended:
	case <-ctx.Done():
		return fmt.Errorf("the daemon does not see its end: %w", context.Cause(ctx))
	}
	l.hearOut(ctx)
	l.deafen()
	<-l.heard
	return nil
}

// hearOut waits for the last of what it wrote, as long as that may take.
func (l *life) hearOut(ctx context.Context) {
	select {
	case <-l.heard:
	case <-time.After(lastWords):
	case <-ctx.Done():
	}
}

// Why implements [supervise.Life].
func (l *life) Why() error {
	select {
	case <-l.ended:
		return l.why
	default:
		return errEnded
	}
}
