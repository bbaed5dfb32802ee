package bedlamtest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam"
	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/report"
)

// notLifted is the exit code of a run whose fault could not be lifted.
const notLifted = 4

// Run brings a shop up, runs the experiments, suites or experiment files that
// words name (none: the default suite), takes the shop down and returns how it
// was judged. It ends the test if there is no judgement, as when it was asked for
// something that there is not; the test fails if something could not be lifted.
func Run(t testing.TB, o Options, words ...string) bedlam.Outcome {
	t.Helper()
	b := prepared(t, o)
	b.Words = words
	tries := o.Tries
	if tries == 0 {
		tries = 3
	}
	ctx, cancel := patience(t)
	defer cancel()
	// A test may end while another goroutine of it is here: it waits.
	ended := make(chan struct{})
	defer close(ended)
	t.Cleanup(func() { <-ended })
	for try := 1; ; try++ {
		b.Out = folder(t, o, fmt.Sprintf("seed%d", b.Seed))
		done, err := bedlam.Run(ctx, b)
		if err != nil && done.Result.Schema == "" { // nothing was started, or nothing can be judged
			t.Fatal(err)
		}
		if err != nil {
			t.Log(err)
			if done.Result.Verdict == chaos.Pass { // what could not be done proves nothing
				done.Result.Verdict = chaos.Inconclusive
			}
		}
		if done.Result.Exit == notLifted {
			t.Errorf("something could not be lifted: %s", strings.Join(done.Result.Reasons, "; "))
		}
		if done.Result.Verdict != chaos.Inconclusive || try >= tries || ctx.Err() != nil || !again(done.Result) {
			return done
		}
		t.Logf("run %d of %d proved nothing: %s", try, tries, strings.Join(done.Result.Reasons, "; "))
	}
}

// again reports whether another run might prove more: not if the engine has
// not got what an experiment needs, and not over a fault that stays.
func again(r chaos.Result) bool {
	for _, e := range r.Experiments {
		if e.Injection.Status == "unsupported" {
			return false
		}
	}
	return r.Exit != notLifted
}

// Require fails the test, with the whole report, unless a run was judged so.
func Require(t testing.TB, out bedlam.Outcome, want chaos.Verdict) {
	t.Helper()
	if out.Result.Verdict == want {
		return
	}
	why := ""
	if out.Result.Verdict == chaos.Inconclusive {
		why = " (nothing was proven about the shop, in neither direction)"
	}
	var text strings.Builder
	if err := report.Terminal(&text, out.Result, report.TerminalOptions{}); err != nil {
		t.Error(err)
	}
	t.Fatalf("the verdict is %s, want %s%s; the run's folder is %s\n%s", out.Result.Verdict, want, why, out.Folder, text.String())
}
