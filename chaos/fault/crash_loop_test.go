package fault_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/deploy"
)

// A crash loop ends every life, and nothing after the lift.
func TestCrashLoop(t *testing.T) {
	s := newFake()
	f := built(t, "crash_loop", `{"life":"10ms"}`, "back-1", "back-2")
	p := f.(chaos.Prober)
	if saw, err := p.Probe(t.Context(), s, true); err == nil {
		t.Errorf("before it was injected, the probe saw %q", saw)
	}
	if err := f.Inject(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	looks(t, p, s, true)
	if saw, err := p.Probe(t.Context(), s, false); err == nil {
		t.Errorf("while it is on, the probe of the lift saw %q", saw)
	}
	if err := f.Lift(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if fault.Watching("x/1", s) {
		t.Error("its vigil goes on after the lift")
	}
	s.mu.Lock()
	calls := slices.Clone(s.calls)
	s.mu.Unlock()
	if saw, err := p.Probe(t.Context(), s, false); err != nil || !strings.Contains(saw, "back-2 runs and is ready") {
		t.Errorf("after the lift the probe saw %q, %v", saw, err)
	}
	if s.mu.Lock(); !slices.Equal(s.calls, calls) {
		t.Errorf("after the lift it did %q", s.calls[len(calls):])
	}
	s.mu.Unlock()
}

// One crash is no loop: the probe of one must not be content with the other.
func TestCrashLoopIsNoKill(t *testing.T) {
	for _, c := range []struct {
		why   string
		state deploy.State
		ok    bool
	}{
		{"untouched", deploy.State{Phase: deploy.Running, Starts: 3, Ready: true}, false},
		{"down for the first time", deploy.State{Phase: deploy.Down, Starts: 3}, false},
		{"started again, and running", deploy.State{Phase: deploy.Running, Starts: 4, Ready: true}, false},
		{"ended in its second life", deploy.State{Phase: deploy.Down, Starts: 4}, true},
		{"in its third life", deploy.State{Phase: deploy.Running, Starts: 5}, true},
	} {
		s := newFake()
		s.states["back-1"].Starts = 3
		f := built(t, "crash_loop", `{"life":"1s"}`, "back-1")
		if err := f.Inject(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if err := f.Lift(t.Context(), s); err != nil { // only what it read before is wanted
			t.Fatal(err)
		}
		*s.states["back-1"] = c.state
		if saw, err := f.(chaos.Prober).Probe(t.Context(), s, true); (err == nil) != c.ok {
			t.Errorf("%s: the probe saw %q, %v", c.why, saw, err)
		}
	}
}

// A restart is one that is over: the instance has begun another life and is
// ready in it.
func TestRestart(t *testing.T) {
	s := newFake()
	f := built(t, "restart", "", "back-1")
	p := f.(chaos.Prober)
	if saw, err := p.Probe(t.Context(), s, true); err == nil {
		t.Errorf("before it was injected, the probe saw %q", saw)
	}
	if err := f.Inject(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if want := []string{"stop back-1", "release back-1"}; !slices.Equal(s.calls, want) {
		t.Errorf("injecting did %q, want %q", s.calls, want)
	}
	if saw, err := p.Probe(t.Context(), s, true); err != nil || !strings.Contains(saw, "runs and is ready (start 2)") {
		t.Errorf("the probe saw %q, %v", saw, err)
	}
	s.states["back-1"].Ready = false
	if saw, err := p.Probe(t.Context(), s, true); err == nil {
		t.Errorf("before it is ready, the probe saw %q", saw)
	}
	*s.states["back-1"] = deploy.State{Phase: deploy.Down, Starts: 1}
	if saw, err := p.Probe(t.Context(), s, true); err == nil {
		t.Errorf("of one that is only down, the probe saw %q", saw)
	}
	if err := f.Lift(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if saw, err := p.Probe(t.Context(), s, false); err != nil {
		t.Errorf("the lift starts what is down; the probe saw %q, %v", saw, err)
	}
}
