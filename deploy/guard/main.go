package guard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	// healAttempts and healTime bound what the guard does about a system
	// that will not be healed; whoever starts next tries again.
	healAttempts = 5
	healTime     = 30 * time.Second // one attempt; a sweep takes well under 5 s
)

// Main is the guard's own process: it watches run id until there is nothing
// left to watch. It returns nil when the run ended cleanly (its entry is gone)
// or has been healed.
//
// When stdin ends, which the kernel sees to however the owner dies, it heals at
// once. When the owner is silent for longer than the lease (but at least 1 s),
// it marks the run as lost, so that the owner learns of it by its next Renew,
// and calls heal with [Run.Hanging] set: faults are lifted, the system is left to its owner.
func Main(ctx context.Context, stdin io.Reader, state, id string, length time.Duration, heal func(context.Context, Run) error) error {
	if !identity.MatchString(id) {
		return fmt.Errorf("guarding a run: %q is no run id", id)
	}
	// The guard outlives what the terminal, the session or a service manager
	// says to everybody: it ends when its owner has. A broken stderr must not
	// end it either.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
	length = max(length, time.Second)
	if err := os.WriteFile(guardPath(state, id), fmt.Appendf(nil, "%d\n", os.Getpid()), 0o600); err != nil {
		return fmt.Errorf("guarding run %s: %w", id, err)
	}

	ended := make(chan struct{})
	go func() {
		io.Copy(io.Discard, stdin)
		close(ended)
	}()
	watch := lease{length: length}
	tick := time.NewTicker(length / 20) // a lease's end is seen a twentieth late at most
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ended:
			return bury(ctx, state, id, heal)
		case <-tick.C:
			info, err := os.Stat(entryPath(state, id))
			if errors.Is(err, fs.ErrNotExist) {
				return tidy(state, id)
			}
			if err != nil {
				return fmt.Errorf("guarding run %s: %w", id, err)
			}
			if watch.expired(time.Now(), info.ModTime()) {
				if err := lift(ctx, state, id, heal); err != nil {
					fmt.Fprintf(os.Stderr, "guard of run %s: %v\n", id, err)
				}
			}
		}
	}
}

// bury heals a run whose owner has died.
func bury(ctx context.Context, state, id string, heal func(context.Context, Run) error) error {
	pause := 200 * time.Millisecond // doubled: five attempts are spread over three seconds
	for attempt := 1; ; attempt++ {
		err := Heal(ctx, state, Run{ID: id}, func(ctx context.Context, r Run) error {
			ctx, cancel := context.WithTimeout(ctx, healTime)
			defer cancel()
			return heal(ctx, r)
		})
		if err == nil {
			return tidy(state, id)
		}
		if attempt == healAttempts || ctx.Err() != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "guard of run %s: attempt %d: %v\n", id, attempt, err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
			pause *= 2
		}
	}
}

// lift has the faults of a hanging owner lifted. The owner holds the entry's
// lock, so nobody else can be healing it.
func lift(ctx context.Context, state, id string, heal func(context.Context, Run) error) error {
	mark, err := os.OpenFile(lostPath(state, id), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("marking the lease as lost: %w", err)
	}
	defer mark.Close()
	if err := lock(ctx, mark); err != nil {
		return fmt.Errorf("marking the lease as lost: %w", err)
	}
	f, err := os.Open(entryPath(state, id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := readEntry(f)
	if err != nil {
		return err
	}
	r.Hanging = true
	ctx, cancel := context.WithTimeout(ctx, healTime)
	defer cancel()
	if err := heal(ctx, r); err != nil {
		return fmt.Errorf("lifting the faults of a hanging owner: %w", err)
	}
	return nil
}

// tidy removes what the guard itself may have written after the entry was gone.
func tidy(state, id string) error {
	if _, err := os.Stat(entryPath(state, id)); err == nil {
		return nil
	}
	return remove(state, id)
}
