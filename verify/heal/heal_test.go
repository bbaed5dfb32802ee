package heal_test

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy/postgres"
	"github.com/bedlamlab/bedlam/verify/heal"
)

// most is how long a busy machine may take: that it is [heal.Limit] is shown
// by make verify-heal, which gates no test.
const most = time.Minute

// ground builds the programs as they are now.
func ground(t *testing.T) *heal.Ground {
	t.Helper()
	if testing.Short() {
		t.Skip("it brings whole shops up: not with -short")
	}
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("what is left is read from /proc, which is not here")
	}
	cache, err := postgres.CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := postgres.Find(t.Context(), cache, nil, postgres.System); err != nil {
		t.Skip("this machine has no PostgreSQL of its own: ", err)
	}
	// The programs are built by another process, so the test cache is told of
	// their sources by looking at them.
	for _, dir := range []string{"chaos", "cmd", "deploy", "loadgen", "observability", "services", "topology"} {
		err := filepath.WalkDir(filepath.Join("..", "..", dir), func(path string, _ fs.DirEntry, err error) error {
			if err == nil {
				_, err = os.Stat(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", dir, "../../cmd/bedlam", "../../cmd/shop")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	g, err := heal.Prepare(dir)
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
