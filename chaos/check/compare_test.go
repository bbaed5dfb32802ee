package check_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/check"
)

// figures are what one run of a pair came to.
type figures struct {
	goodput, p90, recovery, amplification float64
}

func well() figures { return figures{goodput: 1, p90: 0.01, recovery: 0, amplification: 1} }

func (f figures) rows() []chaos.Row {
	one := 1.0
	line := func(metric, unit string, x *float64) chaos.Row {
		return chaos.Row{Metric: metric, Unit: unit, Baseline: &one, Fault: x, After: x, N: [3]int{1000, 1000, 1000}}
	}
	return []chaos.Row{line("goodput", "share", &f.goodput), line("p90", "s", &f.p90), line("amplification", "x", &f.amplification), line("recovery", "s", &f.recovery)}
}

const asked = "the-experiment"

func experiment(limits ...chaos.Limit) chaos.Experiment {
	return chaos.Experiment{Name: asked, Hypothesis: chaos.Hypothesis{Limits: limits}}
}

// pair is one whose runs came to these.
func pair(fault, control figures) check.Pair {
	return check.Pair{Name: "1",
		Fault: chaos.Result{Schema: chaos.ResultSchema, Experiments: []chaos.ExperimentResult{{Name: asked, Verdict: chaos.Pass, Rows: fault.rows(),
			Injection: chaos.Injection{Status: "proven"}, Recovery: chaos.Recovery{Status: "recovered"},
			Fault: chaos.Window{From: 13, To: 20}, After: chaos.Window{From: 20, To: 40}}}},
		Control: check.Control{Rows: map[string][]chaos.Row{asked: control.rows()}},
	}
}

// pairs draws n pairs with a seed, so that a test has figures and no chance.
func pairs(n int, fault func(*rand.Rand) figures) []check.Pair {
	r := rand.New(rand.NewPCG(1, 2))
	var all []check.Pair
	for range n {
		all = append(all, pair(fault(r), well()))
	}
	return all
}

var six = chaos.Pairs{Schema: chaos.PairsSchema, Seed: 7, Words: []string{asked}, Engine: "process", Least: 6, Most: 12}

func comparedRow(t *testing.T, c chaos.Comparison, metric, phase string) chaos.ComparedRow {
	t.Helper()
	i := slices.IndexFunc(c.Rows, func(r chaos.ComparedRow) bool { return r.Metric == metric && r.Phase == phase })
	if i < 0 {
		t.Fatalf("no row of %s %s in %+v", metric, phase, c.Rows)
	}
	return c.Rows[i]
}

// Each bound is kept where it should be, broken where it should be, and left
// open where few pairs cannot tell.
func TestCompareDecides(t *testing.T) {
	t.Parallel()
	const kept, broken, open = chaos.Pass, chaos.Fail, chaos.Inconclusive
	goodput := func(f func(*rand.Rand) float64) func(*rand.Rand) figures {
		return func(r *rand.Rand) figures { x := well(); x.goodput = f(r); return x }
	}
	for _, c := range []struct {
		name          string
		n             int
		fault         func(*rand.Rand) figures
		limits        []chaos.Limit
		metric, phase string
		want          chaos.Verdict
	}{
		{"nothing differs", 6, goodput(func(*rand.Rand) float64 { return 1 }), nil, "goodput", "fault", kept},
		{"less than the margin", 6, goodput(func(r *rand.Rand) float64 { return 0.99 + 0.002*r.NormFloat64() }), nil, "goodput", "fault", kept},
		{"much more than the margin", 6, goodput(func(r *rand.Rand) float64 { return 0.9 + 0.01*r.NormFloat64() }), nil, "goodput", "fault", broken},
		{"about the margin", 6, goodput(func(r *rand.Rand) float64 { return 0.98 + 0.01*r.NormFloat64() }), nil, "goodput", "fault", open},
		{"too few, however clear", 5, goodput(func(*rand.Rand) float64 { return 0.5 }), nil, "goodput", "fault", open},
		{"too few that keep it", 5, goodput(func(*rand.Rand) float64 { return 1 }), nil, "goodput", "fault", open},
		{"a limit that is kept", 6, goodput(func(r *rand.Rand) float64 { return 0.95 + 0.01*r.NormFloat64() }),
			[]chaos.Limit{{Metric: "goodput", Phase: "fault", Min: 0.9, Max: 1}}, "goodput", "fault", kept},
		{"a limit that is broken", 6, goodput(func(r *rand.Rand) float64 { return 0.8 + 0.01*r.NormFloat64() }),
			[]chaos.Limit{{Metric: "goodput", Phase: "fault", Min: 0.9, Max: 1}}, "goodput", "fault", broken},
		{"a limit with two ends, passed above", 6, goodput(func(*rand.Rand) float64 { return 0.9 }),
			[]chaos.Limit{{Metric: "goodput", Phase: "fault", Min: 0.1, Max: 0.5}}, "goodput", "fault", broken},
		{"a ratio that is kept", 6, func(r *rand.Rand) figures { x := well(); x.amplification = 1.1; return x }, nil, "amplification", "fault", kept},
		{"a ratio that is broken", 6, func(r *rand.Rand) figures { x := well(); x.amplification = 2 + 0.1*r.Float64(); return x }, nil, "amplification", "fault", broken},
		{"tails that are slower", 6, func(r *rand.Rand) figures { x := well(); x.p90 = 0.3 + 0.1*r.Float64(); return x }, nil, "p90", "after", broken},
		{"a recovery in time", 6, func(r *rand.Rand) figures { x := well(); x.recovery = 3 + r.Float64(); return x }, nil, "recovery", "", kept},
		{"a recovery that takes long", 6, func(r *rand.Rand) figures { x := well(); x.recovery = 15 + r.Float64(); return x }, nil, "recovery", "", broken},
	} {
		got := check.Compare(six, []chaos.Experiment{experiment(c.limits...)}, pairs(c.n, c.fault))
		if r := comparedRow(t, got, c.metric, c.phase); r.Verdict != c.want || r.N != c.n {
			t.Errorf("%s: %s of %d pairs, want %s: %s (p %.4f)", c.name, r.Verdict, r.N, c.want, r.Text, r.P)
		}
	}
}

// An experiment's own margin stands in the place of the default.
func TestCompareTakesTheDeclaredMargin(t *testing.T) {
	t.Parallel()
	e := experiment()
	e.Hypothesis.Margins = []chaos.Margin{{Metric: "goodput", Phase: "fault", Most: 0.2}}
	got := check.Compare(six, []chaos.Experiment{e}, pairs(6, func(*rand.Rand) figures { x := well(); x.goodput = 0.9; return x }))
	if r := comparedRow(t, got, "goodput", "fault"); r.Verdict != chaos.Pass || r.Bound != 0.2 {
		t.Errorf("a tenth lost, a fifth allowed: %+v", r)
	}
}

// What never came back was longer than it was waited for, and what nobody
// called was not amplified.
func TestCompareOfWhatHasNoFigure(t *testing.T) {
	t.Parallel()
	all := pairs(6, func(*rand.Rand) figures { return well() })
	for i := range all {
		e := &all[i].Fault.Experiments[0]
		e.Recovery.Status = "not-recovered"
		e.Rows[3].After = nil
		e.Rows[2].Fault, e.Rows[2].N[1] = nil, 0
	}
	got := check.Compare(six, []chaos.Experiment{experiment()}, all)
	if r := comparedRow(t, got, "recovery", ""); r.Verdict != chaos.Fail || *r.Now != 20 {
		t.Errorf("never recovered: %+v", r)
	}
	if r := comparedRow(t, got, "amplification", "fault"); r.Verdict != chaos.Pass {
		t.Errorf("nobody called: %+v", r)
	}
}

// A pair that tells nothing is not counted, and it is said why.
func TestUnfitPairs(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*check.Pair){
		"late generator":     func(p *check.Pair) { add(p, "generator", chaos.Inconclusive) },
		"no witness":         func(p *check.Pair) { p.Fault.Experiments[0].Injection.Status = "unproven" },
		"unhealthy baseline": func(p *check.Pair) { p.Fault.Gates = []chaos.Gate{{Name: "baseline", Text: "unhealthy baseline"}} },
		"late control":       func(p *check.Pair) { p.Control.Unfit = map[string]string{asked: "late control"} },
		"a check that timed out": func(p *check.Pair) {
			add(p, "linearizable", chaos.Inconclusive)
		},
	} {
		all := pairs(6, func(*rand.Rand) figures { return well() })
		spoil(&all[2])
		plan := chaos.Plan{Engine: "process", Rate: 40, Experiments: []chaos.Experiment{experiment()}}
		res := check.Together(six, plan, all)
		if res.Verdict != chaos.Inconclusive || res.Exit != 3 || len(res.Comparison.Notes) != 1 || res.Comparison.Pairs != 5 {
			t.Errorf("%s: %s (exit %d), notes %q", name, res.Verdict, res.Exit, res.Comparison.Notes)
		}
	}
}

func add(p *check.Pair, check string, v chaos.Verdict) {
	e := &p.Fault.Experiments[0]
	e.Findings = append(e.Findings, chaos.Finding{Check: check, Verdict: v, Site: "bank", Text: check + " says so"})
}

// All pairs are one judgement.
func TestTogether(t *testing.T) {
	t.Parallel()
	plan := chaos.Plan{Engine: "process", Rate: 40, Experiments: []chaos.Experiment{experiment(chaos.Limit{Metric: "goodput", Phase: "fault", Min: 0.9, Max: 1})}}
	good := func(*rand.Rand) figures { return well() }
	for _, c := range []struct {
		name  string
		pairs func() []check.Pair
		want  chaos.Verdict
		exit  int
		says  string
	}{
		{"all is well", func() []check.Pair { return pairs(6, good) }, chaos.Pass, 0, ""},
		{"one run's limit was broken by chance", func() []check.Pair {
			all := pairs(8, good)
			all[3].Fault.Experiments[0].Rows[0].Fault = new(float64)
			add(&all[3], "hypothesis", chaos.Fail)
			return all
		}, chaos.Pass, 0, ""},
		{"one run charged twice", func() []check.Pair {
			all := pairs(6, good)
			add(&all[3], "captured-once", chaos.Fail)
			return all
		}, chaos.Fail, 1, "captured-once says so"},
		{"a control did wrong by itself", func() []check.Pair {
			all := pairs(6, good)
			all[3].Control.Result.Findings = []chaos.Finding{{Check: "truth", Verdict: chaos.Fail, Text: "a lie"}}
			return all
		}, chaos.Fail, 1, "without any fault: a lie"},
		{"goodput falls in all", func() []check.Pair {
			all := pairs(6, func(*rand.Rand) figures { x := well(); x.goodput = 0.5; return x })
			for i := range all {
				add(&all[i], "hypothesis", chaos.Fail)
				all[i].Fault.Experiments[0].Findings[0].Mechanism = "goodput"
			}
			return all
		}, chaos.Fail, 1, "goodput: 50 % in the median of 6 runs"},
		{"only three pairs", func() []check.Pair { return pairs(3, good) }, chaos.Inconclusive, 3, "3 of 3 pairs could be compared"},
		{"none", func() []check.Pair { return nil }, chaos.Inconclusive, 3, "no experiment"},
	} {
		res := check.Together(six, plan, c.pairs())
		if res.Verdict != c.want || res.Exit != c.exit || !strings.Contains(strings.Join(res.Reasons, "\n"), c.says) {
			t.Errorf("%s: %s (exit %d) because %q", c.name, res.Verdict, res.Exit, res.Reasons)
		}
	}
	res := check.Together(six, plan, pairs(6, good))
	e := res.Experiments[0]
	if e.Rows[0].Basis != chaos.Shown || e.Rows[0].N[1] != 6000 {
		t.Errorf("a row that six pairs show is %q, of %d requests", e.Rows[0].Basis, e.Rows[0].N[1])
	}
	bad := pairs(6, func(*rand.Rand) figures { x := well(); x.goodput = 0.5; return x })
	add(&bad[0], "hypothesis", chaos.Fail)
	bad[0].Fault.Experiments[0].Findings[0].Mechanism = "goodput"
	f := check.Together(six, plan, bad).Experiments[0].Findings[0]
	if f.Site != "bank" || f.Repeat != "bedlam run --pairs 6 --engine process --seed 7 --rate 40 the-experiment" {
		t.Errorf("the finding names %q and %q", f.Site, f.Repeat)
	}
}

// Violations and what was looked at add up, and the bound is that of the sum.
func TestTogetherAddsAuditsUp(t *testing.T) {
	t.Parallel()
	all := pairs(6, func(*rand.Rand) figures { return well() })
	for i := range all {
		line := chaos.AuditLine{Name: "no-oversell", N: 100, Bound: 0.03, Verdict: chaos.Pass}
		all[i].Fault.Audit, all[i].Control.Result.Audit = []chaos.AuditLine{line}, []chaos.AuditLine{line}
	}
	res := check.Together(six, chaos.Plan{Experiments: []chaos.Experiment{experiment()}}, all)
	all[2].Fault.Audit[0] = chaos.AuditLine{Name: "no-oversell", Verdict: chaos.Inconclusive, Text: "there is nothing to look at"}
	res = check.Together(six, chaos.Plan{Experiments: []chaos.Experiment{experiment()}}, all)
	if l := res.Audit[0]; l.N != 1100 || l.Verdict != chaos.Pass {
		t.Errorf("six pairs, of which one run had nothing to look at: %+v", l)
	}
	all[2].Fault.Audit[0] = chaos.AuditLine{Name: "no-oversell", N: 100, Violations: 1, Verdict: chaos.Fail, Text: "P1 was sold twice"}
	res = check.Together(six, chaos.Plan{Experiments: []chaos.Experiment{experiment()}}, all)
	if l := res.Audit[0]; l.Violations != 1 || l.Verdict != chaos.Fail || l.Text != "P1 was sold twice" || l.Bound != 0 {
		t.Errorf("six pairs, of which one oversold: %+v", l)
	}
	all[2].Fault.Audit[0] = chaos.AuditLine{Name: "no-oversell", N: 100, Bound: 0.03, Verdict: chaos.Pass}
	res = check.Together(six, chaos.Plan{Experiments: []chaos.Experiment{experiment()}}, all)
	if l := res.Audit[0]; l.N != 1200 || l.Bound != 3.0/1200 || l.Verdict != chaos.Pass {
		t.Errorf("six pairs: %+v", l)
	}
}

// A control is measured in the seconds of the other run, judged as what it is,
// and is no measure if it was not well itself.
func TestMeasureControl(t *testing.T) {
	t.Parallel()
	fault := check.Judge(golden().record())
	control := unharmed()
	c := check.Measure(control.record(), fault)
	if !c.Result.Control || c.Result.Verdict != chaos.Pass || len(c.Unfit) != 0 {
		t.Errorf("a control: %s because %q; unfit %v", c.Result.Verdict, c.Result.Reasons, c.Unfit)
	}
	for _, e := range fault.Experiments {
		for i, r := range c.Rows[e.Name] {
			if r.Metric != "recovery" && r.N != e.Rows[i].N {
				t.Errorf("%s %s: %v requests in the control, %v in the run, of the same customers", e.Name, r.Metric, r.N, e.Rows[i].N)
			}
		}
	}
	for i := range control.requests {
		if r := &control.requests[i]; r.Due.Seconds() > 13 && r.Due.Seconds() < 20 {
			r.Sent += 500_000_000
			r.Done += 500_000_000
		}
	}
	if c := check.Measure(control.record(), fault); !strings.Contains(c.Unfit[bankCut], "late") {
		t.Errorf("a late control: unfit %v", c.Unfit)
	}
	control.torn = []string{"a torn tail"}
	if c := check.Measure(control.record(), fault); !strings.Contains(c.Unfit[bankCut], "torn") {
		t.Errorf("a torn control: unfit %v", c.Unfit)
	}
}
