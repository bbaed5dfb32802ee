// Package bedlamtest breaks the shop inside `go test`.
//
//	func TestPaymentMayDie(t *testing.T) {
//		out := bedlamtest.Run(t, bedlamtest.Options{}, "payment-replica-killed")
//		bedlamtest.Require(t, out, chaos.Pass)
//	}
//
// [Run] brings a fresh shop up under load, breaks it as the named experiments
// say and judges it, as `bedlam run` does; [Require] holds the verdict against
// the one that is wanted. [Up] only starts a shop, for tests with customers of
// their own.
//
// The programs are built out of the sources that the test itself was built
// with. Whatever was broken or started is put right at the end of the test, also
// after t.Fatal and a panic; when the test program is killed, a process of its
// own does it. A run takes about forty seconds: see `go test -timeout`, in whose
// last seconds it is cut short rather than killed.
//
// A test that this machine cannot run is skipped, as is every one with -short,
// and says why; with BEDLAM_REQUIRE=1 in the environment it fails instead.
//
// INCONCLUSIVE means that nothing was proven, for example because the machine
// stalled: it is no failure of the shop, and no success. [Run] does such a run
// again; if it stays so, [Require] fails, for else a test that never proved
// anything would be green for ever. A test that would rather be skipped says so:
//
//	if out.Result.Verdict == chaos.Inconclusive {
//		t.Skip("nothing was proven")
//	}
//
// The result of a run does not follow from files alone: with -count=1, go test
// does not repeat an old one.
package bedlamtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam"
)

// Options say how to run. The zero value of a field means its default.
type Options struct {
	Engine string  // process or docker; docker where a daemon answers, else process
	Seed   uint64  // decides arrivals, victims and moments; 1
	Rate   float64 // journeys a second; for Run bedlam.DefaultRate, for Up none
	// Tries is how many runs [Run] does at most while they prove nothing; 3,
	// since a machine seldom stalls three times.
	Tries int
	// Out is where the folders of runs are made, and stay; the test's
	// ArtifactDir, which go test keeps with -artifacts.
	Out string
	// Programs is a folder with the programs bedlam and shop; $BEDLAM_PROGRAMS,
	// else they are built.
	Programs string
}

// require is the variable that makes what cannot be run a failure.
const require = "BEDLAM_REQUIRE"

// cannot ends a test that this machine cannot run.
func cannot(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv(require) == "1" {
		t.Fatalf(format+" ("+require+"=1 makes this a failure)", args...)
	}
	t.Skipf(format+" ("+require+"=1 makes this a failure)", args...)
}

// prepared returns what package bedlam is told, or ends the test.
func prepared(t testing.TB, o Options) bedlam.Options {
	t.Helper()
	if testing.Short() {
		cannot(t, "it brings a whole shop up: not with -short")
	}
	b := bedlam.Options{Seed: o.Seed, Rate: o.Rate, Observe: phases(t)}
	if b.Seed == 0 {
		b.Seed = 1
	}
	b.Engine = engine(t, o.Engine)
	b.Bedlam, b.Shop = programs(t, o.Programs)
	return b
}

// phases logs where a run is, a line for each change.
func phases(t testing.TB) func(bedlam.Status) {
	var mu sync.Mutex
	var last string
	return func(s bedlam.Status) {
		mu.Lock()
		defer mu.Unlock()
		if s.Note != "" {
			t.Log(s.Note)
			return
		}
		now := s.Phase
		if s.Experiment != "" && now != "quiet" {
			now = s.Experiment + ": " + now
		}
		if now != last && now != "" {
			last = now
			t.Log(now)
		}
	}
}

// folder names a new folder below the one for o's runs.
func folder(t testing.TB, o Options, name string) string {
	if o.Out == "" {
		o.Out = t.ArtifactDir()
	}
	return filepath.Join(o.Out, fmt.Sprintf("%s-%s", time.Now().UTC().Format("2006-01-02T15-04-05.000"), name))
}

// ending is what stays of the time for tests to take a shop down and to judge:
// containers go within ten seconds on a machine with two cores, and a busy one
// may need three times that.
const ending = 30 * time.Second

// patience is done when the test ends, or shortly before its time does.
func patience(t testing.TB) (context.Context, context.CancelFunc) {
	if timed, ok := t.(interface{ Deadline() (time.Time, bool) }); ok {
		if at, ok := timed.Deadline(); ok {
			return context.WithDeadlineCause(t.Context(), at.Add(-ending), context.DeadlineExceeded)
		}
	}
	return context.WithCancel(t.Context())
}
