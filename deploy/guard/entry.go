package guard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// The files of one run in the state folder. The entry is locked by the owner
// for as long as it lives; its modification time is the lease.
func entryPath(state, id string) string { return filepath.Join(state, "runs", id+".json") }
func lostPath(state, id string) string  { return filepath.Join(state, "runs", id+".lost") }
func guardPath(state, id string) string { return filepath.Join(state, "runs", id+".guard") }

// entryLimit is far above any entry: a few paths of at most 4 KiB each.
const entryLimit = 64 << 10

// Parse reads one entry of the registry. Fields that it does not know are
// skipped, since a newer Bedlam may have left the run.
func Parse(b []byte) (Run, error) {
	var r Run
	if err := json.Unmarshal(b, &r); err != nil {
		return Run{}, fmt.Errorf("reading an entry of the registry: %w", err)
	}
	if err := r.validate(); err != nil {
		return Run{}, fmt.Errorf("reading an entry of the registry: %w", err)
	}
	return r, nil
}

func readEntry(f *os.File) (Run, error) {
	b, err := io.ReadAll(io.LimitReader(io.NewSectionReader(f, 0, entryLimit), entryLimit))
	if err != nil {
		return Run{}, fmt.Errorf("reading an entry of the registry: %w", err)
	}
	return Parse(b)
}

// lock polls for an exclusive lock, because flock(2) itself knows no deadline.
func lock(ctx context.Context, f *os.File) error {
	// 10 ms: a healer who waits is in no hurry, an owner's death frees the
	// lock at once.
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := flock(f, syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil || !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

func flock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// stands reports whether f is still what path names: an entry may have been
// removed, and even made anew, between opening and locking it.
func stands(f *os.File, path string) (bool, error) {
	held, err := f.Stat()
	if err != nil {
		return false, err
	}
	named, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return os.SameFile(held, named), nil
}

// remove takes everything of a run out of the state folder, the entry last:
// as long as it stands, somebody will come back to it.
func remove(state, id string) error {
	for _, path := range []string{lostPath(state, id), guardPath(state, id), entryPath(state, id)} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing run %s from the registry: %w", id, err)
		}
	}
	return syncDir(filepath.Join(state, "runs"))
}

// syncDir makes names in dir durable: a machine that loses power must find the
// entries of what it ran, because containers outlive a reboot.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
