package check_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/check"
)

// one is a run of which goodput in the fault phase has this interval.
func one(goodput, lo, hi float64) chaos.Result {
	r := pair(figures{goodput: goodput, p90: 0.01, amplification: 1}, well()).Fault
	r.Machine = chaos.Machine{Host: "rack-7", CPUs: 4}
	r.Verdict = chaos.Pass
	r.Experiments[0].Rows[0].Intervals = [3]*chaos.Interval{nil, {Lo: lo, Hi: hi}, nil}
	return r
}

func TestAgainstOneRun(t *testing.T) {
	t.Parallel()
	before := one(0.99, 0.98, 1)
	for _, c := range []struct {
		name string
		now  chaos.Result
		want chaos.Verdict
		row  chaos.Verdict
	}{
		{"the same", one(0.99, 0.98, 1), chaos.Pass, chaos.Pass},
		{"better", one(1, 0.999, 1), chaos.Pass, chaos.Pass},
		{"much worse", one(0.8, 0.78, 0.82), chaos.Fail, chaos.Fail},
		{"worse, within what is tolerated", one(0.985, 0.98, 0.99), chaos.Pass, chaos.Pass},
		{"perhaps worse", one(0.96, 0.92, 0.99), chaos.Pass, chaos.Inconclusive},
	} {
		check.Against(&c.now, before)
		if c.now.Verdict != c.want || c.now.Regression == nil || len(c.now.Regression.Rows) != 1 {
			t.Fatalf("%s: %s, %+v", c.name, c.now.Verdict, c.now.Regression)
		}
		if r := c.now.Regression.Rows[0]; r.Verdict != c.row {
			t.Errorf("%s: %s, want %s (p %.4f)", c.name, r.Text, c.row, r.P)
		}
		if exit := map[chaos.Verdict]int{chaos.Pass: 0, chaos.Fail: 1}[c.want]; c.now.Exit != exit {
			t.Errorf("%s: exit code %d", c.name, c.now.Exit)
		}
		if c.want == chaos.Fail && !strings.Contains(c.now.Reasons[0], "worse by 19.00 pp (16") {
			t.Errorf("%s: it does not print the interval: %q", c.name, c.now.Reasons)
		}
		// Judged again, it says the same once.
		again := c.now
		check.Against(&again, before)
		if !slices.Equal(again.Reasons, c.now.Reasons) {
			t.Errorf("%s: judged again: %q, then %q", c.name, c.now.Reasons, again.Reasons)
		}
	}
}

// What passed and fails now is a regression, whatever its figures; what is
// INCONCLUSIVE is none.
func TestAgainstVerdicts(t *testing.T) {
	t.Parallel()
	before := one(0.99, 0.98, 1)
	now := one(0.99, 0.98, 1)
	now.Experiments[0].Verdict = chaos.Fail
	now.Experiments[0].Findings = []chaos.Finding{{Check: "captured-once", Verdict: chaos.Fail, Site: "bank", Text: "charged twice"}}
	check.Against(&now, before)
	if f := now.Findings; now.Verdict != chaos.Fail || len(f) != 1 || f[0].Check != "regression" || f[0].Site != "bank" {
		t.Errorf("passed, then fails: %s, %+v", now.Verdict, f)
	}
	now = one(0.5, 0.49, 0.51)
	now.Experiments[0].Verdict = chaos.Inconclusive
	check.Against(&now, before)
	if now.Verdict != chaos.Inconclusive || len(now.Regression.Rows) != 0 || len(now.Regression.Notes) != 1 {
		t.Errorf("INCONCLUSIVE: %s, %+v", now.Verdict, now.Regression)
	}
}

// Times of another machine say nothing; shares do.
func TestAgainstAnotherMachine(t *testing.T) {
	t.Parallel()
	before, now := one(0.99, 0.98, 1), one(0.99, 0.98, 1)
	before.Machine.Host = "rack-8"
	for _, r := range []*chaos.Result{&before, &now} {
		r.Experiments[0].Rows[1].Intervals = [3]*chaos.Interval{nil, {Lo: 0.009, Hi: 0.011}, nil}
	}
	check.Against(&now, before)
	if r := now.Regression; len(r.Rows) != 1 || r.Rows[0].Metric != "goodput" || len(r.Notes) != 1 {
		t.Errorf("another machine: %+v", r)
	}
}

// Of two comparisons of pairs, the pairs decide.
func TestAgainstPairs(t *testing.T) {
	t.Parallel()
	plan := chaos.Plan{Experiments: []chaos.Experiment{experiment(
		chaos.Limit{Metric: "goodput", Phase: "fault", Min: 0.5, Max: 1}, chaos.Limit{Metric: "goodput", Phase: "after", Min: 0.5, Max: 1})}}
	of := func(goodput float64) chaos.Result {
		return check.Together(six, plan, pairs(6, func(r *rand.Rand) figures { x := well(); x.goodput = goodput + 0.005*r.Float64(); return x }))
	}
	before, worse, same := of(0.95), of(0.85), of(0.95)
	check.Against(&worse, before)
	if worse.Verdict != chaos.Fail {
		t.Errorf("ten points worse, within its limit: %s, %+v", worse.Verdict, worse.Regression)
	}
	check.Against(&same, before)
	if same.Verdict != chaos.Pass || len(same.Regression.Rows) == 0 {
		t.Errorf("the same: %s, %+v", same.Verdict, same.Regression)
	}
}

// Intervals of a run hold its figures, and are wider where seconds differ.
func TestIntervalsHoldTheirFigures(t *testing.T) {
	t.Parallel()
	res := check.Judge(golden().record())
	n := 0
	for _, e := range res.Experiments {
		for _, r := range e.Rows {
			for i, x := range []*float64{r.Baseline, r.Fault, r.After} {
				in := r.Intervals[i]
				if in == nil {
					continue
				}
				n++
				if x == nil || *x < in.Lo || *x > in.Hi {
					t.Errorf("%s %s in phase %d: %v is not in %+v", e.Name, r.Metric, i, x, in)
				}
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d intervals", n)
	}
	if res.Stronger == "" || res.Experiments[0].Rows[0].Basis != chaos.NotRefuted {
		t.Errorf("one run that passes: basis %q, stronger %q", res.Experiments[0].Rows[0].Basis, res.Stronger)
	}
}
