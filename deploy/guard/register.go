package guard

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A Registration is an owner's hold on its entry. It is safe for concurrent use.
type Registration struct {
	state string
	run   Run

	mu   sync.Mutex
	file *os.File // nil once closed
}

// Register enters r into the registry, durably, and takes its lock, which this
// process holds until [Registration.Close] or its death. Call it before
// anything is started. An ID that stands already is an error.
func Register(state string, r Run) (*Registration, error) {
	r.Hanging = false
	if err := r.validate(); err != nil {
		return nil, fmt.Errorf("registering a run: %w", err)
	}
	dir := filepath.Join(state, "runs")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("registering run %s: %w", r.ID, err)
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("registering run %s: %w", r.ID, err)
	}
	sweepUnfinished(dir)
	// Written and locked under another name, then linked: nobody ever sees an
	// entry that is half written or whose owner has not locked it yet.
	f, err := os.CreateTemp(dir, unfinished+"*")
	if err != nil {
		return nil, fmt.Errorf("registering run %s: %w", r.ID, err)
	}
	err = func() error {
		defer os.Remove(f.Name())
		if err := flock(f, syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			return err
		}
		if _, err := f.Write(b); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		if err := os.Link(f.Name(), entryPath(state, r.ID)); err != nil {
			return err
		}
		return syncDir(dir)
	}()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("registering run %s: %w", r.ID, err)
	}
	return &Registration{state: state, run: r, file: f}, nil
}

// unfinished begins the name of an entry that is being written.
const unfinished = ".new-"

// sweepUnfinished removes what owners left that died while they registered. A
// minute is far longer than a living one takes.
func sweepUnfinished(dir string) {
	left, _ := os.ReadDir(dir)
	for _, e := range left {
		if !strings.HasPrefix(e.Name(), unfinished) {
			continue
		}
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > time.Minute {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// Run returns the entry.
func (r *Registration) Run() Run { return r.run }

// State returns the state folder of the registry.
func (r *Registration) State() string { return r.state }

// Renew says that the owner is awake. It returns an error that wraps
// [ErrLeaseLost] when the guard found the owner silent and lifted its faults:
// again and again while that is going on, once more when it is done, and then
// the lease runs anew. Whatever was being measured meanwhile is worth nothing.
func (r *Registration) Renew() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == nil {
		return fmt.Errorf("renewing the lease of run %s: %w", r.run.ID, fs.ErrClosed)
	}
	ok, err := stands(r.file, entryPath(r.state, r.run.ID))
	if err != nil {
		return fmt.Errorf("renewing the lease of run %s: %w", r.run.ID, err)
	}
	if !ok {
		return fmt.Errorf("renewing the lease of run %s: its entry is gone: %w", r.run.ID, ErrLeaseLost)
	}
	now := time.Now()
	if err := os.Chtimes(entryPath(r.state, r.run.ID), now, now); err != nil {
		return fmt.Errorf("renewing the lease of run %s: %w", r.run.ID, err)
	}
	// The mark is read after the renewal: a guard that marks the entry later
	// than this has seen an older lease, and the next Renew will tell.
	lost, err := acknowledge(r.state, r.run.ID)
	if err != nil {
		return fmt.Errorf("renewing the lease of run %s: %w", r.run.ID, err)
	}
	if lost {
		return fmt.Errorf("renewing the lease of run %s: %w", r.run.ID, ErrLeaseLost)
	}
	return nil
}

// acknowledge reports whether the run is marked as lost, and removes the mark
// unless the guard, which locks it meanwhile, is still lifting.
func acknowledge(state, id string) (lost bool, err error) {
	f, err := os.Open(lostPath(state, id))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	err = flock(f, syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	if err != nil {
		return true, err
	}
	if err := os.Remove(lostPath(state, id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return true, err
	}
	return true, nil
}

// Close takes the run out of the registry. Call it when nothing of the run is
// left to heal, and before the guard is stopped. Closing twice is no error.
func (r *Registration) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == nil {
		return nil
	}
	err := remove(r.state, r.run.ID)
	if err := r.file.Close(); err != nil {
		return fmt.Errorf("closing run %s: %w", r.run.ID, err)
	}
	r.file = nil
	return err
}
