package process_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/enginetest"
)

// TestPausesDouble kills an instance again and again; Release cuts each pause
// short, so that the test need not sit through them.
func TestPausesDouble(t *testing.T) {
	s, h := up(t, enginetest.Small(t))
	for n := 1; n <= 5; n++ {
		if err := s.Kill(within(t), "back-1"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it is to be restarted", func() bool { return len(h.of("restarting", "back-1")) == n })
		if err := s.Release(within(t), "back-1"); err != nil {
			t.Fatal(err)
		}
		if st := inspect(t, s, "back-1"); st.Phase != deploy.Running || st.Starts != n+1 {
			t.Errorf("released, it is %+v, want start %d", st, n+1)
		}
	}
	if got, want := h.of("restarting", "back-1"), []string{"in 1s", "in 2s", "in 4s", "in 8s", "in 8s"}; !slices.Equal(got, want) {
		t.Errorf("the pauses are %q, want %q", got, want)
	}
	if got := h.of("exited", "back-1"); !slices.Equal(slices.Compact(got), []string{"signal: killed"}) {
		t.Errorf("the reasons are %q, want that it was killed", got)
	}
}

// TestNoExhauster asks for the power that a process cannot have, by both ways to
// a system.
func TestNoExhauster(t *testing.T) {
	p := enginetest.Small(t)
	s, _ := up(t, p)
	other, err := newEngine(t).Attach(within(t), p.Scratch)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []deploy.System{s, other} {
		if _, err := deploy.Power[deploy.Exhauster](s); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "--engine docker") {
			t.Errorf("got %v, want that it is not supported and what would be", err)
		}
	}
}

// TestCrashLoop has an instance that cannot live any more: it is tried again
// and again, and the others are not harmed.
func TestCrashLoop(t *testing.T) {
	s, h := up(t, enginetest.Small(t))
	began := time.Now()
	for range 3 {
		eventually(t, "it can be killed", func() bool { return s.Kill(within(t), "front-2") == nil })
	}
	// Three ends, the pauses between them were 1 s and 2 s: never shorter.
	if got := time.Since(began); got < 3*time.Second {
		t.Errorf("three lives took %s, want pauses of 1 s and 2 s between them", got)
	}
	if n := len(h.of("exited", "front-1")); n > 0 {
		t.Errorf("another instance ended %d times", n)
	}
}
