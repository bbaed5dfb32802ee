package guard

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Stale returns the runs whose owner is dead, the oldest first: those whose
// lock is free. An entry that cannot be read is reported in the error, beside
// the runs that could.
func Stale(state string) ([]Run, error) {
	names, err := os.ReadDir(filepath.Join(state, "runs"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the registry: %w", err)
	}
	var stale []Run
	var broken []error
	for _, name := range names {
		id, ok := strings.CutSuffix(name.Name(), ".json")
		if !ok || !identity.MatchString(id) {
			continue
		}
		r, free, err := look(entryPath(state, id))
		if err == nil && free && r.ID != id {
			err = fmt.Errorf("entry %s names run %s", name.Name(), r.ID)
		}
		switch {
		case err != nil:
			broken = append(broken, err)
		case free:
			stale = append(stale, r)
		}
	}
	slices.SortFunc(stale, func(a, b Run) int { return a.Started.Compare(b.Started) })
	return stale, errors.Join(broken...)
}

// look reads the entry if its lock is free, or was removed meanwhile.
func look(path string) (r Run, free bool, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Run{}, false, nil
	}
	if err != nil {
		return Run{}, false, fmt.Errorf("reading the registry: %w", err)
	}
	defer f.Close()
	// A shared lock: several who look at once do not take each other for owners.
	if err := flock(f, syscall.LOCK_SH|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return Run{}, false, nil
		}
		return Run{}, false, fmt.Errorf("trying the lock of %s: %w", path, err)
	}
	if ok, err := stands(f, path); err != nil || !ok {
		return Run{}, false, err
	}
	r, err = readEntry(f)
	if err != nil {
		return Run{}, false, fmt.Errorf("%s: %w", path, err)
	}
	return r, true, nil
}

// Heal takes the lock of a run, calls heal and removes the entry. It waits for
// a lock that is held until ctx is done; a run that somebody else has healed
// meanwhile is no error and heal is not called. On an error of heal the entry
// stays, for the next who tries.
func Heal(ctx context.Context, state string, run Run, heal func(context.Context, Run) error) error {
	path := entryPath(state, run.ID)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("healing run %s: %w", run.ID, err)
	}
	defer f.Close()
	if err := lock(ctx, f); err != nil {
		return fmt.Errorf("healing run %s: waiting for its lock: %w", run.ID, err)
	}
	ok, err := stands(f, path)
	if err != nil {
		return fmt.Errorf("healing run %s: %w", run.ID, err)
	}
	if !ok {
		return nil
	}
	entry, err := readEntry(f)
	if err != nil {
		return fmt.Errorf("healing run %s: %w", run.ID, err)
	}
	if err := heal(ctx, entry); err != nil {
		return fmt.Errorf("healing run %s: %w", run.ID, err)
	}
	return remove(state, run.ID)
}
