package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Tidy removes from the cache what was cut short in its making, and ends the
// processes that still work on it: an initdb outlives a caller that is killed.
// What a living process is making, whose lock it holds, is left alone.
func Tidy(cache string) error {
	// Halves before locks: a maker takes its lock before it begins one.
	halves := matches(cache, "*/.?*-*")
	var errs []error
	done := map[string]bool{}
	for _, half := range halves {
		if parent := filepath.Dir(half); !done[parent] {
			done[parent] = true
			errs = append(errs, tidy(parent, halves))
		}
	}
	return errors.Join(errs...)
}

func tidy(parent string, halves []string) error {
	for _, path := range matches(parent, "*.lock") {
		f, err := os.OpenFile(path, os.O_RDWR|unix.O_CLOEXEC, 0)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("cache lock: %w", err)
		}
		defer f.Close()
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("locking %s: %w", path, err)
		}
	}
	for _, half := range halves {
		if filepath.Dir(half) != parent {
			continue
		}
		if err := scrap(half); err != nil {
			return fmt.Errorf("cache folder: %w", err)
		}
	}
	return nil
}

// farewell is how long initdb's servers may take to end when their input has:
// one statement, and what a clean end takes.
const farewell = 2 * time.Second

// scrap removes a half-made folder and ends those who stand in it. A server
// that is killed leaves shared memory in the kernel, so those below dir, in
// the data folder, may leave by themselves first: their input ends with
// initdb, which stands in dir itself.
func scrap(dir string) error {
	began := time.Now()
	var shared []string
	for {
		within, at, err := standing(dir)
		if err != nil {
			return err
		}
		if len(within) == 0 && len(at) == 0 {
			break
		}
		now := at
		if time.Since(began) > farewell {
			now = slices.Concat(at, within)
			for _, pid := range within {
				shared = append(shared, posixShared(pid)...)
			}
		}
		for _, pid := range now {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("ending process %d in %s: %w", pid, dir, err)
			}
		}
		if time.Since(began) > farewell+deathbed {
			return fmt.Errorf("processes %v in %s do not die", slices.Concat(at, within), dir)
		}
		time.Sleep(time.Millisecond) // dying is not an event that a non-parent is told of
	}
	for _, path := range shared {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := Clean(dir); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}
