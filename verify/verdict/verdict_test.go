package verdict_test

import (
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/defects"
	"github.com/bedlamlab/bedlam/verify/verdict"
)

// TestTheProofCanFail holds results against subjects that they do not fit.
func TestTheProofCanFail(t *testing.T) {
	clean := defects.Patch{Name: "clean", Kind: "clean"}
	bug := defects.Patch{Name: "bug", Kind: defects.Defect, Checks: []string{"captured-once"}, Sites: []string{"payment"}}
	failed := func(check, site string) chaos.Result {
		return chaos.Result{Verdict: chaos.Fail, Reasons: []string{"it failed"}, Experiments: []chaos.ExperimentResult{{Name: "e", Verdict: chaos.Fail,
			Findings: []chaos.Finding{{Check: check, Site: site, Verdict: chaos.Fail}}}}}
	}
	for _, c := range []struct {
		why   string
		patch defects.Patch
		res   chaos.Result
		ok    bool
	}{
		{"a clean shop that passes", clean, chaos.Result{Verdict: chaos.Pass}, true},
		{"a clean shop that fails is a false alarm", clean, failed("hypothesis", "gateway"), false},
		{"a clean shop of which nothing is known", clean, chaos.Result{}, false},
		{"a bug that is found", bug, failed("captured-once", "payment"), true},
		{"a bug found by the wrong check", bug, failed("hypothesis", "payment"), false},
		{"a bug blamed on the wrong service", bug, failed("captured-once", "orders"), false},
		{"a bug that passes", bug, chaos.Result{Verdict: chaos.Pass, Experiments: []chaos.ExperimentResult{{Name: "e", Verdict: chaos.Pass}}}, false},
		{"a bug whose experiments did not run", bug, chaos.Result{Verdict: chaos.Fail}, false},
	} {
		if got := verdict.Hold(c.patch, c.res); got.OK != c.ok {
			t.Errorf("%s: ok is %t", c.why, got.OK)
		}
	}
}

func TestASeedCountsOnceByItsLastTry(t *testing.T) {
	scores := verdict.Sum([]verdict.Proof{
		{Subject: "clean", Seed: 1, Try: 1},
		{Subject: "clean", Seed: 1, Try: 2, Verdict: chaos.Pass, OK: true},
		{Subject: "clean", Seed: 2, Try: 1, Verdict: chaos.Fail},
		{Subject: "bug", Seed: 1, Try: 3},
	})
	if len(scores) != 2 || scores[0] != (verdict.Score{Subject: "clean", Right: 1, Wrong: 1, Repeats: 1}) ||
		scores[1] != (verdict.Score{Subject: "bug", Undecided: 1, Repeats: 2}) {
		t.Errorf("got %+v", scores)
	}
	if line := scores[0].String(); !strings.Contains(line, "1 of 2 seeds right, 1 wrong") {
		t.Errorf("it reads %q", line)
	}
}
