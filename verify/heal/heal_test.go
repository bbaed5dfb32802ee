package heal_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/verify/built"
	"github.com/bedlamlab/bedlam/verify/heal"
)

// most is how long a busy machine may take: that it is [heal.Limit] is shown
// by make verify-heal, which gates no test.
const most = time.Minute

func TestMain(m *testing.M) {
	code := m.Run()
	built.Remove()
	os.Exit(code)
}

// ground is where the programs as they are now are cut short.
func ground(t *testing.T) *heal.Ground {
	t.Helper()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("what is left is read from /proc, which is not here")
	}
	programs := built.Programs(t, filepath.Join("..", ".."))
	// A person may have such a folder: a path that is taken for a pattern finds
	// nothing in it. PostgreSQL's account must reach what is below.
	dir, err := os.MkdirTemp("", "heal[*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", dir)
	g, err := heal.Prepare(programs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// TestNothingIsLeft takes a sample of what make verify-heal does.
func TestNothingIsLeft(t *testing.T) {
	g := ground(t)
	for _, m := range []heal.Moment{
		{Phase: "registered", Delay: 20 * time.Millisecond, Signal: heal.Terminate, Experiment: "recommend-down"},
		{Phase: "initdb", Delay: 400 * time.Millisecond, Signal: heal.Kill, Experiment: "recommend-down", Cold: true},
		{Phase: "bring-up", Delay: 700 * time.Millisecond, Signal: heal.KillBoth, Experiment: "recommend-down"},
		{Phase: "inject", Delay: 50 * time.Millisecond, Signal: heal.Kill, Experiment: "shop-postgres-killed"},
		{Phase: "hold", Delay: 300 * time.Millisecond, Signal: heal.Interrupt, Experiment: "bank-slow-then-cut-off"},
	} {
		t.Run(m.Phase, func(t *testing.T) {
			p, err := heal.One(t.Context(), g, m, most)
			if err != nil {
				t.Fatal(err)
			}
			if !p.OK {
				t.Error(p)
			}
			t.Log(p)
		})
	}
}

// TestTheProofSeesWhatIsLeft leaves a run with a frozen instance alone, killed
// together with its guard: everything that can be left is, and must be seen.
func TestTheProofSeesWhatIsLeft(t *testing.T) {
	g := ground(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*most)
	defer cancel()
	before, after, err := g.Unhealed(ctx, heal.Moment{Phase: "hold", Experiment: "catalog-replica-paused"})
	if err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"process ", ", stopped", "listening socket", "temporary folder", "entry in the state folder", "System V segment"} {
		if !slices.ContainsFunc(before, func(s string) bool { return strings.Contains(s, what) }) {
			t.Errorf("it does not see any %q in:\n%s", what, strings.Join(before, "\n"))
		}
	}
	if len(after) > 0 {
		t.Errorf("after the next start there is left:\n%s", strings.Join(after, "\n"))
	}
}

// TestTheProofSeesAHarmedBystander stops one bystander and kills the other.
func TestTheProofSeesAHarmedBystander(t *testing.T) {
	g := ground(t)
	if harmed := g.Harmed(); len(harmed) > 0 {
		t.Fatal(harmed)
	}
	for i, sig := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGKILL} {
		if err := syscall.Kill(g.Bystanders()[i], sig); err != nil {
			t.Fatal(err)
		}
		for until := time.Now().Add(most); len(g.Harmed()) <= i; time.Sleep(time.Millisecond) { // a signal is no event for its sender
			if time.Now().After(until) {
				t.Fatalf("%v to a bystander is not seen: %v", sig, g.Harmed())
			}
		}
	}
}
