package hunt_test

import (
	"context"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam"
	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/defects"
	"github.com/bedlamlab/bedlam/verify/hunt"
)

func accuses(pairs ...[2]string) chaos.Result {
	e := chaos.ExperimentResult{Name: "e", Verdict: chaos.Fail}
	for _, p := range pairs {
		e.Findings = append(e.Findings, chaos.Finding{Check: p[0], Site: p[1], Verdict: chaos.Fail})
	}
	return chaos.Result{Schema: chaos.ResultSchema, Verdict: chaos.Fail, Reasons: []string{"it failed"}, Experiments: []chaos.ExperimentResult{e}}
}

func concludes(v chaos.Verdict) chaos.Result {
	return chaos.Result{Schema: chaos.ResultSchema, Verdict: v, Reasons: []string{"so it is"}}
}

// TestOnlyTheRightCheckAtTheRightSiteFinds holds results against subjects.
func TestOnlyTheRightCheckAtTheRightSiteFinds(t *testing.T) {
	bug := defects.Patch{Name: "bug", Kind: defects.Defect, Checks: []string{"captured-once", "truth"}, Sites: []string{"payment", "payment->bank"}}
	decoy := defects.Patch{Name: "decoy", Kind: defects.Decoy}
	doubt := accuses([2]string{"captured-once", "payment"})
	doubt.Verdict, doubt.Experiments[0].Findings[0].Verdict = chaos.Inconclusive, chaos.Inconclusive
	for _, c := range []struct {
		why   string
		patch defects.Patch
		res   chaos.Result
		ok    bool
		rank  int
	}{
		{"right", bug, accuses([2]string{"captured-once", "payment"}), true, 1},
		{"right at its edge, after others", bug, accuses([2]string{"hypothesis", "gateway"}, [2]string{"hypothesis", "checkout"}, [2]string{"truth", "payment->bank"}), true, 3},
		{"the wrong check", bug, accuses([2]string{"hypothesis", "payment"}), false, 1},
		{"the wrong site", bug, accuses([2]string{"captured-once", "orders"}), false, 0},
		{"right check and right site, not together", bug, accuses([2]string{"captured-once", "orders"}, [2]string{"hypothesis", "payment"}), false, 2},
		{"a doubt accuses nobody", bug, doubt, false, 0},
		{"nobody accused", bug, concludes(chaos.Pass), false, 0},
		{"a decoy left in peace", decoy, concludes(chaos.Pass), true, 0},
		{"a decoy accused", decoy, accuses([2]string{"captured-once", "payment"}), false, 0},
		{"a decoy of which nothing is known", decoy, concludes(chaos.Inconclusive), false, 0},
	} {
		if got := hunt.Hold(c.patch, c.res); got.OK != c.ok || got.Rank != c.rank || (got.Found != "") != (c.ok && c.patch.Kind == defects.Defect) {
			t.Errorf("%s: got %+v", c.why, got)
		}
	}
}

// sources is a module that git knows, for the results to belong to.
func sources(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.go"), []byte("package a\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "."}, {"-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "a"}} {
		c := exec.Command("git", args...)
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil {
			t.Skipf("results belong to a commit, and git does not make one: %v: %s", err, out)
		}
	}
	return dir
}

// TestAHuntGoesOnWhereItWas cuts one short, repeats what was INCONCLUSIVE, and
// does nothing twice.
func TestAHuntGoesOnWhereItWas(t *testing.T) {
	o := hunt.Options{Root: sources(t), Repeat: 2, Names: []string{"B11", "harmless-static-list", "clean"},
		Results: filepath.Join(t.TempDir(), "defects.jsonl"), Tell: func(text string) { t.Log(text) }}
	runs, cut := 0, errors.New("cut short")
	o = o.With(func(_ context.Context, b bedlam.Options) (chaos.Result, error) {
		runs++
		switch {
		case runs == 5:
			return chaos.Result{}, cut
		case strings.Contains(b.Shop, "charge-again") && runs == 1:
			return concludes(chaos.Inconclusive), os.MkdirAll(b.Out, 0o755)
		case strings.Contains(b.Shop, "charge-again"):
			return accuses([2]string{"captured-once", "payment"}), os.MkdirAll(b.Out, 0o755)
		case b.Shop == "" && !slices.Contains(b.Words, "bank-slow-then-cut-off"):
			t.Errorf("the shop as it is was put through %v, not through what exposes the bug", b.Words)
		}
		return concludes(chaos.Pass), os.MkdirAll(b.Out, 0o755)
	})
	if _, err := hunt.Run(t.Context(), o); !errors.Is(err, cut) {
		t.Fatalf("got %v", err)
	}
	proofs, err := hunt.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if runs != 8 { // one INCONCLUSIVE, one cut short, three subjects with two seeds
		t.Errorf("%d runs, want 8", runs)
	}
	s := hunt.Sum(proofs)
	if !s.Good() || s.Bugs != 1 || s.Found != 1 || s.Cases != 2 || s.Peaceful != 4 || s.Decoys != 2 || s.Experiments != 1.5 || s.AC1 != 1 {
		t.Errorf("got %+v", s)
	}
	if _, err := hunt.Run(t.Context(), o); err != nil || runs != 8 {
		t.Errorf("a third time: %d runs, %v", runs, err)
	}
	o.Names = []string{"B99"}
	if _, err := hunt.Run(t.Context(), o); !errors.Is(err, bedlam.ErrUsage) {
		t.Errorf("an unknown bug: %v", err)
	}
}

// TestWithoutItsFaultADefectIsLeftInPeace puts defects through the experiment
// that harms nobody.
func TestWithoutItsFaultADefectIsLeftInPeace(t *testing.T) {
	o := hunt.Options{Root: sources(t), Repeat: 1, Names: []string{"B01", "B11"}, Unharmed: true,
		Results: filepath.Join(t.TempDir(), "defects.jsonl"), Tell: func(text string) { t.Log(text) }}
	proofs, err := hunt.Run(t.Context(), o.With(func(_ context.Context, b bedlam.Options) (chaos.Result, error) {
		if strings.Contains(b.Shop, "charge-again") {
			return accuses([2]string{"captured-once", "payment"}), os.MkdirAll(b.Out, 0o755)
		}
		return concludes(chaos.Pass), os.MkdirAll(b.Out, 0o755)
	}))
	if err != nil {
		t.Fatal(err)
	}
	if s := hunt.Sum(proofs); s.Cases != 0 || s.Peaceful != 2 || s.Alarms != 1 || s.Good() {
		t.Errorf("got %+v", s)
	}
}

func TestSum(t *testing.T) {
	var proofs []hunt.Proof
	add := func(p hunt.Proof, n int) {
		for seed := range uint64(n) {
			p.Seed = uint64(len(proofs))*100 + seed
			proofs = append(proofs, p)
		}
	}
	found := hunt.Proof{Subject: "a", Kind: defects.Defect, Experiments: []string{"e"}, Verdict: chaos.Fail, Found: "x at y", Rank: 1, OK: true, Seconds: 10}
	missed := hunt.Proof{Subject: "a", Kind: defects.Defect, Experiments: []string{"e"}, Verdict: chaos.Pass, Seconds: 10}
	add(found, 8)
	add(missed, 2)
	found.Subject, missed.Subject, found.Rank = "b", "b", 3
	add(found, 7)
	missed.Verdict = chaos.Inconclusive
	add(missed, 3)
	add(hunt.Proof{Subject: "d", Kind: defects.Decoy, Experiments: []string{"e"}, Verdict: chaos.Fail}, 1)
	add(hunt.Proof{Subject: "d", Kind: defects.Decoy, Experiments: []string{"e"}, Verdict: chaos.Pass}, 9)
	s := hunt.Sum(proofs)
	if s.Bugs != 2 || s.Found != 1 || len(s.Missed) != 1 || s.Cases != 20 || s.Hits != 15 || s.Undecided != 3 ||
		s.Alarms != 1 || s.DecoyAlarms != 1 || s.Peaceful != 10 || s.Reports != 16 || s.Right != 15 {
		t.Errorf("got %+v", s)
	}
	// Eight at the first place, seven at the third, five nowhere.
	if math.Abs(s.AC1-0.4) > 1e-9 || math.Abs(s.Avg5-(8*5+7*3)/100.0) > 1e-9 {
		t.Errorf("AC@1 %g, Avg@5 %g", s.AC1, s.Avg5)
	}
	for _, want := range []string{"found 1 of 2 seeded bugs [0.09 to 0.91]", "15 of 20 times [0.53 to 0.89]", "15 of 16 runs", "1 in 10 runs", "undecided: 3", "b (7 of 10)"} {
		if !strings.Contains(s.String(), want) {
			t.Errorf("it does not say %q: %s", want, s)
		}
	}
}

// TestWilson compares with intervals that were worked out elsewhere.
func TestWilson(t *testing.T) {
	for _, c := range []struct {
		x, n      int
		low, high float64
	}{{36, 36, 0.904, 1}, {36, 40, 0.769, 0.960}, {7, 13, 0.291, 0.768}, {0, 0, 0, 1}, {0, 10, 0, 0.278}} {
		low, high := hunt.Wilson(c.x, c.n)
		if math.Abs(low-c.low) > 6e-4 || math.Abs(high-c.high) > 6e-4 {
			t.Errorf("%d of %d: %.4f to %.4f, want %.3f to %.3f", c.x, c.n, low, high, c.low, c.high)
		}
	}
}
