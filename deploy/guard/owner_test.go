package guard_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bedlamlab/bedlam/deploy/guard"
)

func TestOwnerEndsCleanly(t *testing.T) {
	state := t.TempDir()
	o := start(t, state, "clean")
	pid := o.guardian(t, o.hear(t))
	if !runs(pid) {
		t.Fatal("the guard does not run")
	}
	if got := o.ask(t, "renew"); got != "false" {
		t.Errorf("the lease of an owner that is awake is lost: %s", got)
	}
	o.in.Write([]byte("end\n"))
	if err := o.Wait(); err != nil {
		t.Errorf("the owner: %v", err)
	}
	if runs(pid) {
		t.Error("the guard outlives its owner's clean end")
	}
	if got := heals(t, state); len(got) > 0 {
		t.Errorf("it was healed: %q", got)
	}
	if got := entries(t, state); len(got) > 0 {
		t.Errorf("left in the registry: %q", got)
	}
}

func TestOwnerIsKilled(t *testing.T) {
	state := t.TempDir()
	o := start(t, state, "killed")
	pid := o.guardian(t, o.hear(t))
	o.kill()
	eventually(t, "the guard has healed and gone", func() bool { return !runs(pid) })
	if got, want := heals(t, state), []string{"killed hanging=false"}; !slices.Equal(got, want) {
		t.Errorf("healed %q, want %q", got, want)
	}
	if got := entries(t, state); len(got) > 0 {
		t.Errorf("left in the registry: %q", got)
	}
}

// TestOwnerIsKilledAtAnyMoment kills owners at random moments of their start:
// whatever stood then, it is healed once, by the guard or by whoever comes next.
func TestOwnerIsKilledAtAnyMoment(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	draw := rand.New(rand.NewPCG(seed, 0))
	rounds := 40 // some two seconds; each moment of a start is met a few times
	var healed, never int
	for range rounds {
		state := t.TempDir()
		o := start(t, state, "run")
		// No event is awaited: a moment of chance is the point. 40 ms is more
		// than a start takes, from nothing to a guard that is ready.
		time.Sleep(time.Duration(draw.Int64N(int64(40 * time.Millisecond))))
		o.kill()
		// The next one that starts heals what is stale; the guard may be
		// doing just that.
		eventually(t, "nothing is left of it", func() bool {
			stale, err := guard.Stale(state)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range stale {
				if err := guard.Heal(t.Context(), state, r, heal); err != nil {
					t.Fatal(err)
				}
			}
			return !slices.ContainsFunc(entries(t, state), func(path string) bool { return strings.HasSuffix(path, ".json") })
		})
		switch got := heals(t, state); len(got) {
		case 0:
			never++
		case 1:
			healed++
		default:
			t.Errorf("healed %d times: %q", len(got), got)
		}
	}
	t.Logf("%d were healed, %d had not registered yet", healed, never)
}

func TestGuardIsKilled(t *testing.T) {
	state := t.TempDir()
	o := start(t, state, "unguarded")
	first := o.guardian(t, o.hear(t))
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var second int
	eventually(t, "there is another guard", func() bool {
		second = o.guardian(t, o.ask(t, "pid"))
		return second != first
	})
	o.kill()
	eventually(t, "the second guard has healed", func() bool { return len(heals(t, state)) == 1 && !runs(second) })
}

func TestBothAreKilled(t *testing.T) {
	state := t.TempDir()
	o := start(t, state, "lost")
	pid := o.guardian(t, o.hear(t))
	// Frozen first, so that it starts no other guard in between.
	o.Process.Signal(syscall.SIGSTOP)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	o.kill()
	eventually(t, "the guard is gone", func() bool { return !runs(pid) })
	stale, err := guard.Stale(state)
	if err != nil || len(stale) != 1 || stale[0].ID != "lost" {
		t.Fatalf("stale are %+v, %v, want the run alone", stale, err)
	}
	if err := guard.Heal(t.Context(), state, stale[0], heal); err != nil {
		t.Fatal(err)
	}
	if got := heals(t, state); len(got) != 1 {
		t.Errorf("healed %q, want once", got)
	}
	if got := entries(t, state); len(got) > 0 {
		t.Errorf("left in the registry: %q", got)
	}
}

// TestOwnerHangs freezes an owner for longer than its lease.
func TestOwnerHangs(t *testing.T) {
	state := t.TempDir()
	o := start(t, state, "hangs")
	o.hear(t)
	o.Process.Signal(syscall.SIGSTOP)
	eventually(t, "its faults are lifted", func() bool { return len(heals(t, state)) > 0 })
	if got := heals(t, state)[0]; got != "hangs hanging=true" {
		t.Errorf("it was healed as %q", got)
	}
	if stale, err := guard.Stale(state); err != nil || len(stale) > 0 {
		t.Errorf("the run of a living owner is stale: %+v, %v", stale, err)
	}
	o.Process.Signal(syscall.SIGCONT)
	// It learns of it, and then its lease runs anew.
	if got := o.ask(t, "renew"); got != "true" {
		t.Errorf("awake again, its lease was lost: %s, want true", got)
	}
	eventually(t, "its lease runs anew", func() bool { return o.ask(t, "renew") == "false" })
	o.in.Write([]byte("end\n"))
	if err := o.Wait(); err != nil {
		t.Errorf("the owner: %v", err)
	}
	if got := entries(t, state); len(got) > 0 {
		t.Errorf("left in the registry: %q", got)
	}
}

// TestHangingOwnerIsKilled has the owner die after its faults were lifted: then
// the whole run is healed as well.
func TestHangingOwnerIsKilled(t *testing.T) {
	state := t.TempDir()
	o := start(t, state, "both")
	pid := o.guardian(t, o.hear(t))
	o.Process.Signal(syscall.SIGSTOP)
	eventually(t, "its faults are lifted", func() bool { return len(heals(t, state)) > 0 })
	o.kill()
	eventually(t, "the guard has gone", func() bool { return !runs(pid) })
	got := heals(t, state)
	if got[len(got)-1] != "both hanging=false" {
		t.Errorf("healed %q, want the dead owner's at last", got)
	}
	if got := entries(t, state); len(got) > 0 {
		t.Errorf("left in the registry: %q", got)
	}
}

// TestSignals sends the guard what a terminal, a session's end or a service
// manager sends to everybody.
func TestSignals(t *testing.T) {
	state := t.TempDir()
	o := start(t, state, "signals")
	pid := o.guardian(t, o.hear(t))
	if sid, err := unix.Getsid(pid); err != nil || sid != pid {
		t.Errorf("the guard is in session %d, %v, want its own, %d", sid, err, pid)
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE} {
		if err := syscall.Kill(pid, sig); err != nil {
			t.Fatal(err)
		}
	}
	o.kill()
	eventually(t, "the guard has healed and gone", func() bool { return len(heals(t, state)) == 1 && !runs(pid) })
}

func TestGuardThatCannotStart(t *testing.T) {
	state := t.TempDir()
	r := register(t, state, "nobody")
	for _, c := range []struct{ name, program string }{
		{"no such program", "/nowhere/bedlam"},
		{"it ends at once", "/bin/false"},
	} {
		if p, err := guard.Start(t.Context(), c.program, nil, r); err == nil {
			t.Errorf("%s: Start says that guard %d watches", c.name, p.PID())
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if p, err := guard.Start(ctx, "/bin/sleep", []string{"3600"}, r); err == nil {
		t.Errorf("Start says that process %d, which sleeps, watches", p.PID())
	}
}
