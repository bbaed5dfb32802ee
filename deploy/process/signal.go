package process

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"
)

// glance is how long to wait between two looks at what a signal did. Signals
// are delivered within a millisecond on an idle machine.
const glance = 2 * time.Millisecond

// kill ends every process of k and returns when a read-back finds none.
func (k pack) kill(ctx context.Context) error {
	for {
		all, err := k.members()
		if err != nil {
			return err
		}
		if len(all) == 0 {
			return nil
		}
		var failed error
		for _, p := range all {
			failed = errors.Join(failed, p.signal(syscall.SIGKILL))
			// Remembered, so that its group and its children are still found
			// when it has gone itself.
			if !slices.Contains(k.roots, p.identity) {
				k.roots = append(slices.Clip(k.roots), p.identity)
			}
		}
		if err := wait(ctx, glance); err != nil {
			return fmt.Errorf("%d processes are still alive, the first is %d: %w", len(all), all[0].PID, errors.Join(err, failed))
		}
	}
}

// freeze stops every process of k and returns when a read-back shows each of
// their threads stopped. Parents come first: a stopped one makes no more children.
func (k pack) freeze(ctx context.Context) error {
	for {
		all, err := k.members()
		if err != nil {
			return err
		}
		if len(all) == 0 {
			return errGone
		}
		var failed error
		moving := 0
		for _, p := range all {
			if !frozen(p.PID) {
				moving++
				failed = errors.Join(failed, p.signal(syscall.SIGSTOP))
			}
		}
		if moving == 0 {
			return nil
		}
		if err := wait(ctx, glance); err != nil {
			return fmt.Errorf("%d of %d processes still move: %w", moving, len(all), errors.Join(err, failed))
		}
	}
}

// thaw lets every process of k go on, and returns when none is stopped.
func (k pack) thaw(ctx context.Context) error {
	for {
		all, err := k.members()
		if err != nil {
			return err
		}
		var failed error
		stopped := 0
		for _, p := range all {
			if p.state == 'T' {
				stopped++
				failed = errors.Join(failed, p.signal(syscall.SIGCONT))
			}
		}
		if stopped == 0 {
			return nil
		}
		if err := wait(ctx, glance); err != nil {
			return fmt.Errorf("%d of %d processes are still stopped: %w", stopped, len(all), errors.Join(err, failed))
		}
	}
}

var errGone = errors.New("it is not running")

// wait pauses for d, or until ctx is done, whose cause it then returns.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
