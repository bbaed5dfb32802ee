package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"
)

// deathbed is how long a process may take to be gone after SIGKILL; only one
// that waits for a disk takes noticeable time.
const deathbed = 10 * time.Second

// Kill ends all processes of the server in dir at once, as a power cut of the
// instance does, and returns when none of them lives. The postmaster goes
// first, since it alone makes new ones. No process is no error.
func Kill(dir string) error {
	until := time.Now().Add(deathbed)
	for {
		pids, err := Processes(dir)
		if err != nil {
			return err
		}
		if len(pids) == 0 {
			return nil
		}
		for _, pid := range pids {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("postgres: killing process %d: %w", pid, err)
			}
		}
		if time.Now().After(until) {
			return fmt.Errorf("postgres: processes %v do not die", pids)
		}
		time.Sleep(time.Millisecond) // dying is not an event that a non-parent is told of
	}
}

// Settle waits until no process of an earlier life of the server is left, and
// removes that life's lock file and shared memory, so that a start does not
// fail with "lock file already exists" or "pre-existing shared memory block is
// still in use". It kills nothing: a postmaster's children see that it died
// and leave, except one that computes or is frozen, which [Kill] ends.
func (i *Install) Settle(ctx context.Context, o Options) error {
	for {
		pids, err := Processes(o.Dir)
		if err != nil {
			return err
		}
		if len(pids) == 0 {
			return Clean(o.Dir)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("postgres: processes %v of an earlier start still live: %w", pids, ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// first sorts pids with the postmaster, if it is among them, at the front.
func first(pids []int, postmaster int) []int {
	slices.Sort(pids)
	if at := slices.Index(pids, postmaster); at > 0 {
		pids = slices.Insert(slices.Delete(pids, at, at+1), 0, postmaster)
	}
	return pids
}

// fatal returns the line of a server's log that says why it ended.
func fatal(log []byte) string {
	lines := bytes.Split(bytes.TrimSpace(log), []byte("\n"))
	for _, line := range lines {
		if _, text, ok := bytes.Cut(line, []byte("FATAL:")); ok {
			return string(bytes.TrimSpace(text))
		}
	}
	return string(lines[len(lines)-1])
}
