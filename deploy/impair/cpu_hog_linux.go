package impair

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bedlamlab/bedlam/deploy"
)

func init() {
	register(CPUHog, func(i deploy.Impairment) (Harm, error) {
		var h Hog
		return cpuHog{&h}, arguments(i.Args, &h, func() error { return h.Validate() })
	})
}

// cpuHog is a holder in the instance's cgroup that is busy. What the instance's
// share of the processors is, both divide among them.
type cpuHog struct{ *Hog }

var _ Held = cpuHog{}

// Can implements [Harm].
func (h cpuHog) Can(t Target) error {
	g, err := own(t, "cpu", "processors")
	if err != nil {
		return err
	}
	return g.has("cgroup.procs")
}

// Apply implements [Harm]: the holder is all of it.
func (h cpuHog) Apply(context.Context, Target, func(any) error) error { return nil }

// Undo implements [Harm]: it ends with its holder.
func (h cpuHog) Undo(context.Context, Target, json.RawMessage) error { return nil }

// Shows implements [Harm]: that many busy threads are in the cgroup.
func (h cpuHog) Shows(_ context.Context, t Target) (bool, error) {
	g, err := own(t, "cpu", "processors")
	if err != nil {
		return false, err
	}
	pids, err := g.named(hogName)
	if err != nil {
		return false, err
	}
	busy := 0
	for _, pid := range pids {
		names, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/comm", pid))
		if err != nil {
			return false, err
		}
		for _, name := range names {
			if b, err := os.ReadFile(name); err == nil && strings.TrimSpace(string(b)) == workerName {
				busy++
			}
		}
	}
	return busy == h.Workers, nil
}

// workerName is what each busy thread calls itself.
const workerName = "bedlam-busy"

// Hold implements [Held].
func (h cpuHog) Hold(ctx context.Context, t Target, ready func()) error {
	g, err := own(t, "cpu", "processors")
	if err != nil {
		return err
	}
	if err := g.enter(hogName); err != nil {
		return err
	}
	runtime.GOMAXPROCS(h.Workers + 1) // one hears when it is over
	var over atomic.Bool
	var begun, ended sync.WaitGroup
	errs := make([]error, h.Workers)
	begun.Add(h.Workers)
	for at := range h.Workers {
		ended.Go(func() {
			offMain(func() {
				errs[at] = nameThread(workerName)
				begun.Done()
				for errs[at] == nil && !over.Load() {
				}
			})
		})
	}
	begun.Wait()
	err = errors.Join(errs...)
	if err == nil {
		ready()
		<-ctx.Done()
	}
	over.Store(true)
	ended.Wait()
	return err
}

// offMain calls do on a thread that goes with it, and never on the process's
// first one, whose name is the process's own.
func offMain(do func()) {
	runtime.LockOSThread()
	if unix.Gettid() != unix.Getpid() {
		do()
		return
	}
	defer runtime.UnlockOSThread()
	done := make(chan struct{})
	go func() { // elsewhere: this thread is taken until it is done
		defer close(done)
		offMain(do)
	}()
	<-done
}

// nameThread gives the calling thread a name.
func nameThread(name string) error {
	b := append([]byte(name), 0)
	if err := unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&b[0])), 0, 0, 0); err != nil {
		return fmt.Errorf("naming a thread: %w", err)
	}
	return nil
}
