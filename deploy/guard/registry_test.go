package guard_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bedlamlab/bedlam/deploy/guard"
)

func entry(id string) guard.Run {
	return guard.Run{ID: id, Engine: "process", Scratch: "/s", Folder: "/f", Program: "/b", PID: os.Getpid(), Started: time.Unix(1, 0).UTC()}
}

func register(t *testing.T, state, id string) *guard.Registration {
	t.Helper()
	r, err := guard.Register(state, entry(id))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func TestRegister(t *testing.T) {
	state := t.TempDir()
	r := register(t, state, "2026-01-31T10-15-04-seed7")
	b, err := os.ReadFile(filepath.Join(state, "runs", r.Run().ID+".json"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := guard.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(entry(r.Run().ID), got); diff != "" {
		t.Errorf("the entry is not what was registered:\n%s", diff)
	}
	if _, err := guard.Register(state, entry(r.Run().ID)); err == nil {
		t.Error("the same run can be registered twice")
	}
	if stale, err := guard.Stale(state); err != nil || len(stale) > 0 {
		t.Errorf("a run that is ours is stale: %+v, %v", stale, err)
	}
	if err := r.Renew(); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := r.Renew(); err == nil {
		t.Error("the lease of a closed run can be renewed")
	}
	if got := entries(t, state); len(got) > 0 {
		t.Errorf("left in the registry: %q", got)
	}
}

// TestUnfinished leaves what an owner does that dies while it registers. The
// state folder is called as a person may call it: its path is no pattern.
func TestUnfinished(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state[*")
	register(t, state, "x")
	old, fresh := filepath.Join(state, "runs", ".new-1"), filepath.Join(state, "runs", ".new-2")
	for _, path := range []string{old, fresh} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	hour := time.Now().Add(-time.Hour)
	if err := os.Chtimes(old, hour, hour); err != nil {
		t.Fatal(err)
	}
	register(t, state, "y")
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("an old one is left (%v)", err)
	}
	if _, err := os.Stat(fresh); err != nil {
		t.Errorf("one that may be in use is gone: %v", err)
	}
}

func TestRegisterRefuses(t *testing.T) {
	for _, c := range []struct {
		why string
		run guard.Run
	}{
		{"no id", guard.Run{Engine: "e", PID: 1}},
		{"the id leads out of the folder", guard.Run{ID: "../x", Engine: "e", PID: 1}},
		{"the id is hidden", guard.Run{ID: ".x", Engine: "e", PID: 1}},
		{"the id is too long for a file name", guard.Run{ID: strings.Repeat("x", 129), Engine: "e", PID: 1}},
		{"no engine could heal it", guard.Run{ID: "x", PID: 1}},
		{"no owner", guard.Run{ID: "x", Engine: "e"}},
	} {
		state := t.TempDir()
		if r, err := guard.Register(state, c.run); err == nil {
			r.Close()
			t.Errorf("registered although %s", c.why)
		}
		if got := entries(t, state); len(got) > 0 {
			t.Errorf("%s: left in the registry: %q", c.why, got)
		}
	}
}

// stale leaves an entry as a dead owner does.
func stale(t *testing.T, state, id string) guard.Run {
	t.Helper()
	r := register(t, state, id)
	path := filepath.Join(state, "runs", id+".json")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return entry(id)
}

func TestHealOnlyOnce(t *testing.T) {
	state := t.TempDir()
	r := stale(t, state, "x")
	var calls atomic.Int32
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			err := guard.Heal(t.Context(), state, r, func(_ context.Context, got guard.Run) error {
				calls.Add(1)
				if diff := cmp.Diff(r, got); diff != "" {
					t.Errorf("heal was given another run:\n%s", diff)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := calls.Load(); n != 1 {
		t.Errorf("it was healed %d times", n)
	}
}

func TestHealFails(t *testing.T) {
	state := t.TempDir()
	r := stale(t, state, "x")
	broken := errors.New("the wrench is gone")
	if err := guard.Heal(t.Context(), state, r, func(context.Context, guard.Run) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	if left, err := guard.Stale(state); err != nil || len(left) != 1 {
		t.Errorf("after a heal that failed, stale are %+v, %v, want the run", left, err)
	}
}

func TestHealWaitsForTheLiving(t *testing.T) {
	state := t.TempDir()
	r := register(t, state, "alive")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := guard.Heal(ctx, state, r.Run(), func(context.Context, guard.Run) error {
		t.Error("a run whose owner lives is healed")
		return nil
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want context.DeadlineExceeded", err)
	}
}

func TestStale(t *testing.T) {
	state := t.TempDir()
	if got, err := guard.Stale(state); err != nil || len(got) > 0 {
		t.Errorf("in an empty state folder stale are %+v, %v", got, err)
	}
	stale(t, state, "x")
	register(t, state, "alive")
	runs := filepath.Join(state, "runs")
	for name, text := range map[string]string{
		"torn.json":      `{"id":"to`,
		"other.json":     `{"id":"x","engine":"e","pid":1}`, // names another run
		"notes.txt":      "not ours",
		".new-1234.json": "half written",
	} {
		if err := os.WriteFile(filepath.Join(runs, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := guard.Stale(state)
	if len(got) != 1 || got[0].ID != "x" {
		t.Errorf("stale are %+v, want x alone", got)
	}
	if err == nil || !strings.Contains(err.Error(), "torn.json") || !strings.Contains(err.Error(), "other.json") {
		t.Errorf("the error does not name both broken entries: %v", err)
	}
}

func TestEntryIsGone(t *testing.T) {
	state := t.TempDir()
	r := register(t, state, "x")
	if err := os.Remove(filepath.Join(state, "runs", "x.json")); err != nil {
		t.Fatal(err)
	}
	if err := r.Renew(); !errors.Is(err, guard.ErrLeaseLost) {
		t.Errorf("got %v, want ErrLeaseLost", err)
	}
}

func TestStateDir(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ state, xdg, home, want string }{
		{dir + "/own", dir + "/xdg", dir, dir + "/own"},
		{"", dir + "/xdg", dir, dir + "/xdg/bedlam"},
		{"", "relative", dir, dir + "/.local/state/bedlam"},
		{"", "", dir, dir + "/.local/state/bedlam"},
	} {
		t.Setenv("BEDLAM_STATE", c.state)
		t.Setenv("XDG_STATE_HOME", c.xdg)
		t.Setenv("HOME", c.home)
		got, err := guard.StateDir()
		if err != nil || got != c.want {
			t.Errorf("%+v: got %s, %v", c, got, err)
			continue
		}
		if info, err := os.Stat(got); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%+v: the folder is %v, %v, want it closed to others", c, info.Mode(), err)
		}
	}
	open := filepath.Join(dir, "open")
	if err := os.Mkdir(open, 0o777); err != nil {
		t.Fatal(err)
	}
	t.Setenv("BEDLAM_STATE", open)
	if _, err := guard.StateDir(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(open); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("a folder that was open to others is %v, %v", info.Mode(), err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"id":"x","engine":"process","scratch":"/s","pid":7,"started":"2026-01-31T10:15:04Z","later":[1]}`))
	f.Add([]byte(`{"id":"../../etc","engine":"e","pid":1}`))
	f.Add([]byte(`{"id":"x","engine":"e","pid":-1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := guard.Parse(b)
		if err != nil {
			return
		}
		if r.ID == "" || strings.ContainsAny(r.ID, "/\x00") || strings.HasPrefix(r.ID, ".") || r.PID < 1 || r.Hanging {
			t.Errorf("%q was read as %+v", b, r)
		}
	})
}
