// Package check judges finished runs. It has opinions and does no I/O: all it
// looks at is a [chaos.Record], all it returns is a [chaos.Result], and the
// same record gives the same result tomorrow.
//
// [Judge] is the function you want. What it holds against a run stands one
// opinion a file: [Checks] lists them.
package check

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/bedlamlab/bedlam/chaos"
)

// A Check is one opinion, as the catalogue lists it.
type Check struct {
	Name string `json:"name"`
	Doc  string `json:"doc"` // what it holds to be right, in one sentence
}

// Checks lists every check, by name.
func Checks() []Check {
	var all []Check
	for _, c := range experimentChecks {
		all = append(all, c.Check)
	}
	for _, i := range invariants {
		all = append(all, i.Check)
	}
	slices.SortFunc(all, func(a, b Check) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// An experimentCheck judges one experiment by its requests and spans.
type experimentCheck struct {
	Check
	judge func(*view) []chaos.Finding
}

// experimentChecks are asked in this order; those that explain come before
// those that only notice.
var experimentChecks = []experimentCheck{limits, aborted, truth, timeouts, attempts}

// Judge judges a record.
func Judge(rec *chaos.Record) chaos.Result {
	m := newMeter(rec)
	res := chaos.Result{
		Schema: chaos.ResultSchema, Seed: rec.Plan.Seed, Engine: rec.Plan.Engine, Suite: rec.Plan.Suite,
		Run: rec.Plan.Run, Version: rec.Plan.Version, Commit: rec.Plan.Commit, Machine: rec.Plan.Machine,
		Started: rec.Plan.Started, Seconds: m.length(), Load: m.load(), Series: series(m),
		Reasons: []string{}, Findings: []chaos.Finding{}, Traces: []chaos.Waterfall{},
	}
	res.Gates = gates(m)
	sound := !slices.ContainsFunc(res.Gates, func(g chaos.Gate) bool { return !g.OK })
	audit, harm := judgeAudit(m)
	res.Audit = audit
	for _, v := range m.views {
		e := judgeExperiment(v, sound)
		e.Findings = append(e.Findings, repeat(harm[v.Name], rec.Plan, v.Name)...)
		if len(harm[v.Name]) > 0 {
			e.Verdict = chaos.Fail
		}
		res.Experiments = append(res.Experiments, e)
		res.Traces = append(res.Traces, waterfalls(v)...)
	}
	res.Findings = append(res.Findings, repeat(harm[""], rec.Plan, "")...)
	conclude(&res, m)
	return res
}

func judgeExperiment(v *view, sound bool) chaos.ExperimentResult {
	e := chaos.ExperimentResult{Name: v.Name, Title: v.spec.Title, Baseline: v.baseline, Fault: v.fault, After: v.after,
		Injection: injection(v), Recovery: recovery(v), Rows: rows(v), Hops: hops(v), Findings: []chaos.Finding{}}
	v.hops = e.Hops
	for _, c := range experimentChecks {
		e.Findings = append(e.Findings, c.judge(v)...)
	}
	if !sound || e.Injection.Status != "proven" {
		// What was measured in an unsound run, or without a fault, may have
		// any cause: it is shown, and it accuses nobody.
		for i := range e.Findings {
			e.Findings[i].Verdict = chaos.Inconclusive
		}
	}
	e.Findings = append(e.Findings, unproven(e.Injection)...)
	e.Findings = repeat(e.Findings, v.m.rec.Plan, v.Name)
	verdicts := []chaos.Verdict{chaos.Pass}
	if !sound || !v.ended {
		verdicts = append(verdicts, chaos.Inconclusive)
	}
	for _, f := range e.Findings {
		verdicts = append(verdicts, f.Verdict)
	}
	e.Verdict = chaos.Worst(verdicts...)
	return e
}

// repeat tells each finding how to see it again.
func repeat(fs []chaos.Finding, p chaos.Plan, experiment string) []chaos.Finding {
	what := experiment
	if what == "" {
		what = p.Suite
	}
	for i := range fs {
		fs[i].Repeat = fmt.Sprintf("bedlam run --engine %s --seed %d --rate %g %s", p.Engine, p.Seed, p.Rate, what)
	}
	return fs
}

// conclude sets the whole's verdict, its reasons and the exit code.
func conclude(res *chaos.Result, m *meter) {
	var verdicts []chaos.Verdict
	notLifted := false
	for _, e := range res.Experiments {
		verdicts = append(verdicts, e.Verdict)
		notLifted = notLifted || e.Recovery.Status == "not-lifted"
		for _, f := range e.Findings {
			res.Reasons = append(res.Reasons, fmt.Sprintf("%s: %s", e.Name, f.Text))
		}
	}
	for _, f := range res.Findings {
		verdicts = append(verdicts, f.Verdict)
		res.Reasons = append(res.Reasons, f.Text)
	}
	for _, l := range res.Audit {
		if l.Verdict == chaos.Inconclusive {
			verdicts = append(verdicts, chaos.Inconclusive)
			res.Reasons = append(res.Reasons, l.Name+": "+l.Text)
		}
	}
	for _, g := range res.Gates {
		if !g.OK {
			verdicts = append(verdicts, chaos.Inconclusive)
			res.Reasons = append(res.Reasons, g.Text)
		}
	}
	res.Verdict = chaos.Worst(verdicts...)
	switch {
	case notLifted:
		res.Exit = 4
	case res.Verdict == chaos.Fail:
		res.Exit = 1
	case res.Verdict == chaos.Inconclusive:
		res.Exit = 3
	}
	rank := func(text string) int { // reasons that accuse stand before those that only doubt
		for _, e := range res.Experiments {
			for _, f := range e.Findings {
				if f.Verdict == chaos.Fail && text == e.Name+": "+f.Text {
					return 0
				}
			}
		}
		for _, f := range res.Findings {
			if f.Verdict == chaos.Fail && text == f.Text {
				return 0
			}
		}
		return 1
	}
	slices.SortStableFunc(res.Reasons, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
}
