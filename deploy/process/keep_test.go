package process_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

// TestPausesDouble kills an instance again and again; Release cuts each pause
// short, so that the test need not sit through them.
func TestPausesDouble(t *testing.T) {
	s, h := up(t, small(t))
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

// TestStopDrains has a requests's connection open while its server is stopped:
// the server ends by itself, not by a kill.
func TestStopDrains(t *testing.T) {
	s, h := up(t, small(t))
	if err := s.Stop(within(t), "front-1"); err != nil {
		t.Fatal(err)
	}
	// It is told by who waited for it, which may be a moment after it is gone.
	eventually(t, "its end is told", func() bool { return len(h.of("exited", "front-1")) > 0 })
	if got := h.of("exited", "front-1"); len(got) != 1 || got[0] != "exit status 0" {
		t.Errorf("it ended with %q, want its own exit", got)
	}
	if len(h.of("stopped", "front-1")) != 1 {
		t.Error("nobody told that it was stopped")
	}
}

// TestRelayDies kills the relay from outside: it comes back with its listeners
// and its rules, and knows who is down.
func TestRelayDies(t *testing.T) {
	s, h := up(t, small(t))
	cut := deploy.Rule{ID: "a/b c", Links: []topology.Link{{From: "loader-1", To: "front-1"}}, Direction: deploy.Both,
		Kind: "partition", TTL: topology.Duration(patience)}
	for _, err := range []error{s.Hold(within(t), "back-2"), s.Kill(within(t), "back-2"), s.Shape(within(t), cut)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	before := inspect(t, s, "relay")
	if err := syscall.Kill(before.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "there is another relay", func() bool {
		st := inspect(t, s, "relay")
		return st.Ready && st.Starts == before.Starts+1
	})
	if len(h.of("exited", "relay")) != 1 {
		t.Error("nobody told that the relay died")
	}
	rules, err := s.Rules(within(t))
	if err != nil || len(rules) != 1 || rules[0].ID != cut.ID {
		t.Errorf("its rules are %+v, %v, want the one of before", rules, err)
	}
	dial := func(caller, callee string) error {
		a, err := s.Address(caller, callee)
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.DialTimeout("tcp", a, patience)
		if err == nil {
			c.Close()
		}
		return err
	}
	if err := dial("front-1", "back-2"); err == nil {
		t.Error("it accepts for an instance that is down")
	}
	if err := dial("front-1", "back-1"); err != nil {
		t.Errorf("it does not accept for one that is up: %v", err)
	}
	if err := s.Unshape(within(t), cut.ID); err != nil {
		t.Fatal(err)
	}
}

// TestRelayIsGone lifts a rule while there is no relay at all, as whoever heals
// a run may have to: what is not there has no rules.
func TestRelayIsGone(t *testing.T) {
	p := small(t)
	s, _ := up(t, p)
	if err := s.Hold(within(t), "relay"); err != nil {
		t.Fatal(err)
	}
	if err := s.Kill(within(t), "relay"); err != nil {
		t.Fatal(err)
	}
	other, err := newEngine(t).Attach(within(t), p.Scratch)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.(deploy.Shaper).Unshape(within(t), "whatever"); err != nil {
		t.Error(err)
	}
	if rules, err := other.(deploy.Shaper).Rules(within(t)); err == nil {
		t.Errorf("a relay that is gone says its rules are %+v", rules)
	}
}

// TestNoExhauster asks for the power that a process cannot have, by both ways to
// a system.
func TestNoExhauster(t *testing.T) {
	p := small(t)
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

// TestLogs looks for what an instance said, over all of its lives.
func TestLogs(t *testing.T) {
	p := small(t)
	p.Topology.Services[1].Settings = map[string]string{"serve": "grpc", "say": "hello"}
	s, _ := up(t, p)
	if err := s.Kill(within(t), "back-1"); err != nil {
		t.Fatal(err)
	}
	if err := s.Release(within(t), "back-1"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both lives have left a line", func() bool {
		b, err := os.ReadFile(filepath.Join(p.Logs, "back-1.log"))
		return err == nil && string(b) == "hello\nhello\n"
	})
}

// TestCrashLoop has an instance that cannot live any more: it is tried again
// and again, and the others are not harmed.
func TestCrashLoop(t *testing.T) {
	s, h := up(t, small(t))
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
