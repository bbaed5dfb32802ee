package process_test

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/enginetest"
	"github.com/bedlamlab/bedlam/deploy/process"
)

func TestEngine(t *testing.T) {
	enginetest.Exercise(t, newEngine, enginetest.Plan)
}

// newEngine returns one whose instances are processes beside one another, as
// they are where nobody is root.
func newEngine(*testing.T) deploy.Engine {
	return process.New(process.Options{Isolation: process.None})
}

// A whole is a running system with all of its powers.
type whole interface {
	deploy.System
	deploy.Inspector
	deploy.Killer
	deploy.Stopper
	deploy.Pauser
	deploy.Holder
	deploy.Shaper
	deploy.Databaser
}

// heard is what was told of a system.
type heard struct {
	mu     sync.Mutex
	events []deploy.Event
}

// of returns the details of the events of one kind.
func (h *heard) of(kind, instance string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []string
	for _, e := range h.events {
		if e.Kind == kind && e.Instance == instance {
			all = append(all, e.Detail)
		}
	}
	return all
}

func up(t *testing.T, p deploy.Plan) (whole, *heard) {
	t.Helper()
	h := &heard{}
	p.Observe = func(e deploy.Event) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.events = append(h.events, e)
	}
	s, err := newEngine(t).Up(within(t), p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Down(ctx); err != nil {
			t.Error(err)
		}
	})
	return s.(whole), h
}

// patience bounds every wait; it is no measure of anything.
const patience = time.Minute

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// eventually polls, because what is waited for happens in other processes.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for until := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("after %s it is still not so: %s", patience, what)
		}
	}
}

func inspect(t *testing.T, s deploy.Inspector, instance string) deploy.State {
	t.Helper()
	st, err := s.Inspect(within(t), instance)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// needRoot skips a test that shows what root must not do.
func needRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: only root runs PostgreSQL under another account")
	}
}
