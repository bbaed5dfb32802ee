package process

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/bedlamlab/bedlam/deploy/supervise"
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
		if err := supervise.Sleep(ctx, glance); err != nil {
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
			return supervise.ErrGone
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
		if err := supervise.Sleep(ctx, glance); err != nil {
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
		if err := supervise.Sleep(ctx, glance); err != nil {
			return fmt.Errorf("%d of %d processes are still stopped: %w", stopped, len(all), errors.Join(err, failed))
		}
	}
}
