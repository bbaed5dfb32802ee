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

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/deploy/docker"
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
func ground(t *testing.T, engine string) *heal.Ground {
	t.Helper()
	if engine == heal.Docker {
		if _, err := docker.Version(t.Context()); err != nil {
			t.Skip("no containers can be made here: ", err)
		}
	}
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
	g, err := heal.PrepareIn(dir, programs, engine)
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
	cut(t, "", []heal.Moment{
		{Phase: "registered", Delay: 20 * time.Millisecond, Signal: heal.Terminate, Experiment: "recommend-down"},
		{Phase: "initdb", Delay: 400 * time.Millisecond, Signal: heal.Kill, Experiment: "recommend-down", Cold: true},
		{Phase: "bring-up", Delay: 700 * time.Millisecond, Signal: heal.KillBoth, Experiment: "recommend-down"},
		{Phase: "inject", Delay: 50 * time.Millisecond, Signal: heal.Kill, Experiment: "shop-postgres-killed"},
		{Phase: "hold", Delay: 300 * time.Millisecond, Signal: heal.Interrupt, Experiment: "bank-slow-then-cut-off"},
	})
}

// TestNothingIsLeftOfContainers is the same for the engine of containers.
func TestNothingIsLeftOfContainers(t *testing.T) {
	cut(t, heal.Docker, []heal.Moment{
		{Phase: "bring-up", Delay: 1500 * time.Millisecond, Signal: heal.Kill, Experiment: "recommend-down"},
		{Phase: "hold", Delay: 300 * time.Millisecond, Signal: heal.KillBoth, Experiment: "catalog-replica-paused"},
	})
}

// cut does moments that have nothing to do with one another. Most of a moment is
// waiting, for a baseline, a lease or a restart, so that they go side by side,
// each on a ground of its own.
func cut(t *testing.T, engine string, moments []heal.Moment) {
	for _, m := range moments {
		m.Engine = engine
		t.Run(m.Phase, func(t *testing.T) {
			t.Parallel()
			p, err := heal.One(t.Context(), ground(t, engine), m, most)
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

// TestFaultsAreLifted takes a sample of what make verify-heal-faults does, on
// processes and, where there is a daemon, on containers, and wants the harm to be
// seen before it is lifted.
func TestFaultsAreLifted(t *testing.T) {
	for _, c := range []struct {
		moment heal.Moment
		seen   string // unless a guard may have been quicker
	}{
		{heal.Moment{Engine: heal.Docker, Phase: "injected", Signal: heal.KillBoth, Fault: "packet_loss"}, "the journal shows"}, // who holds it in there ends with bedlam
		{heal.Moment{Engine: heal.Docker, Phase: "injected", Signal: heal.KillBoth, Fault: "cpu_quota"}, "its share of the processors"},
		{heal.Moment{Phase: "injected", Signal: heal.KillGuard, Fault: "latency"}, "the relay has rule"},
		{heal.Moment{Phase: "proven", Signal: heal.KillBoth, Fault: "partition"}, "the relay has rule"},
		{heal.Moment{Phase: "injected", Signal: heal.KillBoth, Fault: "pause", Monkey: true}, "is frozen"},
		{heal.Moment{Phase: "injected", Signal: heal.Kill, Fault: "latency", Monkey: true}, ""},
	} {
		t.Run(c.moment.String(), func(t *testing.T) {
			t.Parallel()
			p, err := heal.One(t.Context(), ground(t, c.moment.Engine), c.moment, most)
			if err != nil {
				t.Fatal(err)
			}
			if p.Unable != "" {
				t.Skip(p.Unable)
			}
			if !p.OK || p.Lifted <= 0 || p.Struck == "" {
				t.Error(p)
			}
			if c.seen != "" {
				for _, want := range []string{c.seen, "the journal shows"} {
					if !slices.ContainsFunc(p.Harm, func(s string) bool { return strings.Contains(s, want) }) {
						t.Errorf("there is no %q in %q", want, p.Harm)
					}
				}
			}
			t.Log(p)
		})
	}
}

// TestCases wants every fault to be killed between its injection and its proof,
// and one of each power at every step, by a run, by a monkey, and without its
// guard.
func TestCases(t *testing.T) {
	all, err := heal.Cases("")
	if err != nil {
		t.Fatal(err)
	}
	has := func(k fault.Kind, step chaos.EntryKind, sig heal.Signal, monkey bool) bool {
		return slices.Contains(all, heal.Moment{Phase: string(step), Signal: sig, Fault: k.Name, Monkey: monkey})
	}
	powers := map[string]int{}
	want := 3*len(heal.Steps) + 2
	for _, k := range fault.Kinds() {
		power, _, _ := strings.Cut(k.Needs.String(), ",")
		found := 0
		for _, step := range heal.Steps {
			for _, is := range []bool{has(k, step, heal.Kill, false), has(k, step, heal.KillBoth, false), has(k, step, heal.KillBoth, true)} {
				if is {
					found++
				} else if step == chaos.Injected {
					t.Errorf("%s is not killed with its fault on by all", k.Name)
				}
			}
		}
		for _, is := range []bool{has(k, chaos.Injected, heal.Kill, true), has(k, chaos.Injected, heal.KillGuard, false)} {
			if is {
				found++
			}
		}
		powers[power] = max(powers[power], found)
	}
	for power, found := range powers {
		if found != want {
			t.Errorf("of a fault by %s there are %d moments, want %d", power, found, want)
		}
	}
}

// TestTheProofSeesWhatIsLeft leaves a monkey with a frozen instance alone, killed
// together with its guard: everything that can be left is, and must be seen.
func TestTheProofSeesWhatIsLeft(t *testing.T) {
	seen(t, "", "process ", ", stopped", "listening socket", "temporary folder", "entry in the state folder", "System V segment")
}

// TestTheProofSeesContainers is the same for the engine of containers.
func TestTheProofSeesContainers(t *testing.T) {
	seen(t, heal.Docker, "running container", "paused container", "network", "volume", "temporary folder", "entry in the state folder")
}

func seen(t *testing.T, engine string, things ...string) {
	t.Parallel()
	g := ground(t, engine)
	ctx, cancel := context.WithTimeout(t.Context(), 2*most)
	defer cancel()
	before, after, err := g.Unhealed(ctx, heal.Moment{Engine: engine, Phase: string(chaos.Injected), Fault: "pause", Monkey: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, what := range things {
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
	t.Parallel()
	g := ground(t, "")
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

// TestTheProofSeesAHarmedContainer pauses one bystander and removes the other.
func TestTheProofSeesAHarmedContainer(t *testing.T) {
	t.Parallel()
	g := ground(t, heal.Docker)
	if harmed := g.Harmed(); len(harmed) > 0 {
		t.Fatal(harmed)
	}
	if err := g.HarmContainers(t.Context()); err != nil {
		t.Fatal(err)
	}
	if harmed := g.Harmed(); len(harmed) != 2 {
		t.Errorf("seen: %v", harmed)
	}
}
