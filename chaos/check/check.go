// Package check judges finished runs. It has opinions and does no I/O: all it
// looks at is a [chaos.Record], all it returns is a [chaos.Result], and the
// same record gives the same result tomorrow.
//
// [Judge] is the function you want. What it holds against a run stands one
// opinion a file: [Checks] lists them.
//
//	record ─▶ gates ────────────▶ may anything be said of this run?
//	       ─▶ each experiment ──▶ was the fault there, is it gone, did the shop keep its word?
//	       ─▶ audits ───────────▶ is the data whole?
//	       ─▶ conclude ─────────▶ verdict, reasons, exit code
//
// Three rules decide what a doubt is worth. What was measured while something
// else may have been the cause (no proven fault, a late generator, a record
// with holes) accuses nobody: it is INCONCLUSIVE. What is wrong in the data is
// wrong whatever the cause: it is a FAIL. And nothing passes unseen: an empty
// window, a missing view or an experiment cut short is never a PASS.
package check

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
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

// An experimentCheck judges one experiment by its journal, requests and spans.
type experimentCheck struct {
	Check
	on    on
	needs string // the data without which it cannot say that nothing is wrong, as a plan's Lacks names it
	judge func(*view) []chaos.Finding
}

// on says what a check's findings rest on.
type on int

const (
	// onMeasures: figures of the fault and of what came after. They need a
	// fault to be figures of, and accuse nobody in an unsound run.
	onMeasures on = iota
	// onRecord: what the journal says. It needs nothing else.
	onRecord
	// onFacts: what the shop was seen to do or say. It is wrong whatever the
	// cause.
	onFacts
)

// experimentChecks are asked in this order; those that explain come before
// those that only notice.
var experimentChecks = []experimentCheck{
	witnessed, lifted, finished, punctual, audited, planned, limits, recovered, stays, aborted, truth, timeouts, retries,
	insistence, finality, persistence, backoff, keys, deadlines, swallowed, fallback, optionals, opens, closes, bulkheads, collateral, scars,
}

// Judge judges a record.
func Judge(rec *chaos.Record) chaos.Result {
	m := newMeter(rec)
	res := chaos.Result{
		Schema: chaos.ResultSchema, Seed: rec.Plan.Seed, Engine: rec.Plan.Engine, Suite: rec.Plan.Suite,
		Run: rec.Plan.Run, Version: rec.Plan.Version, Commit: rec.Plan.Commit, Machine: rec.Plan.Machine,
		Started: rec.Plan.Started, Control: rec.Plan.Control, Seconds: m.end, Load: m.load(), Series: series(m),
		Reasons: []string{}, Experiments: []chaos.ExperimentResult{}, Findings: []chaos.Finding{}, Traces: []chaos.Waterfall{},
	}
	res.Gates = gates(m)
	audit, harm := judgeAudit(m)
	res.Audit = audit
	for _, v := range m.views {
		e := judgeExperiment(v)
		if fs := harm[v.Name]; len(fs) > 0 {
			e.Findings = append(e.Findings, repeat(fs, rec.Plan, v.Name)...)
			e.Verdict = chaos.Fail
		}
		if row, known := debt(v, harm[v.Name]); known {
			e.Rows = append(e.Rows, row)
		}
		for i := range e.Findings {
			e.Findings[i].Fault = harmed(e.Injection)
		}
		res.Experiments = append(res.Experiments, e)
		res.Traces = append(res.Traces, waterfalls(v, e.Findings)...)
	}
	res.Findings = append(res.Findings, repeat(untrueBefore(m), rec.Plan, "")...)
	res.Findings = append(res.Findings, repeat(harm[""], rec.Plan, "")...)
	conclude(&res)
	if res.Verdict == chaos.Pass && !res.Control {
		res.Stronger = "Each experiment ran once, so that its figures are not refuted, and how much they differ from run to run is not known: " +
			"bedlam run --pairs 6 shows them, with intervals."
	}
	return res
}

func judgeExperiment(v *view) chaos.ExperimentResult {
	v.injection = injection(v)
	e := chaos.ExperimentResult{Name: v.Name, Title: v.spec.Title, Baseline: v.baseline, Fault: v.fault, After: v.after,
		Injection: v.injection, Recovery: recovery(v), Rows: rows(v), Hops: hops(v), Findings: []chaos.Finding{},
		Stability: v.stability(), Restoration: v.restoration()}
	// A late generator is not among these: each limit asks about its own phase.
	sound := v.m.sound && v.ended && (v.injection.Status == "proven" || v.m.rec.Plan.Control)
	for _, c := range experimentChecks {
		if c.on == onMeasures && !v.harmed {
			continue // there is nothing to measure
		}
		fs := c.judge(v)
		if why := v.m.rec.Plan.Lacks[c.needs]; why != "" && v.harmed {
			fs = append(fs, chaos.Finding{Verdict: chaos.Inconclusive, Mechanism: c.needs, Text: c.Doc + ": " + noData(c.needs, why)})
		}
		for i := range fs {
			fs[i].Check = c.Name
			if c.on == onMeasures && !sound {
				// It may have any cause: it is shown, and it accuses nobody.
				fs[i].Verdict = chaos.Inconclusive
			}
		}
		e.Findings = append(e.Findings, repeat(fs, v.m.rec.Plan, v.Name)...)
	}
	verdicts := []chaos.Verdict{chaos.Pass}
	if !sound {
		verdicts = append(verdicts, chaos.Inconclusive)
		for _, r := range e.Rows {
			if r.Verdict != nil && *r.Verdict == chaos.Fail {
				*r.Verdict = chaos.Inconclusive
			}
		}
	}
	for _, f := range e.Findings {
		verdicts = append(verdicts, f.Verdict)
	}
	e.Verdict = chaos.Worst(verdicts...)
	return e
}

// mostVictims is how many victims a finding names: a zone has dozens.
const mostVictims = 4

// harmed says what an experiment did, and to whom.
func harmed(in chaos.Injection) string {
	if len(in.Faults) == 0 {
		return ""
	}
	whom := in.Victims
	more := ""
	if n := len(whom) - mostVictims; n > 0 {
		whom, more = whom[:mostVictims], fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(in.Faults, ", then ") + " on " + strings.Join(whom, ", ") + more
}

// finished: the experiment went through all of its phases.
var finished = experimentCheck{
	Check: Check{"finished", "the experiment was not cut short"},
	on:    onRecord,
	judge: func(v *view) []chaos.Finding {
		if v.ended || v.begun < 0 {
			return nil
		}
		return []chaos.Finding{{Verdict: chaos.Inconclusive, Text: "the experiment was cut short"}}
	},
}

// planned: the plan says what the experiment holds to.
var planned = experimentCheck{
	Check: Check{"plan", "the plan states what the experiment holds the shop to"},
	on:    onRecord,
	judge: func(v *view) []chaos.Finding {
		if len(v.spec.Hypothesis.Limits) > 0 {
			return nil
		}
		return []chaos.Finding{{Verdict: chaos.Inconclusive, Text: "the plan states no limit for this experiment: there is nothing to hold the shop to"}}
	},
}

// repeat tells each finding how to see it again.
func repeat(fs []chaos.Finding, p chaos.Plan, experiment string) []chaos.Finding {
	where, how := "--engine "+p.Engine, ""
	if p.System != "" {
		where = "--system " + quoted(p.System)
	}
	if p.Arrivals != "" && p.Arrivals != loadgen.Poisson {
		how = " --arrivals " + quoted(p.Arrivals)
	}
	what := named(p, experiment)
	for i := range fs {
		fs[i].Repeat = fmt.Sprintf("bedlam run %s --seed %d --rate %g%s %s", where, p.Seed, p.Rate, how, what)
	}
	return fs
}

// named returns what names an experiment on the command line, or the whole run
// if there is none. Plans of earlier versions hold no words.
func named(p chaos.Plan, experiment string) string {
	if experiment == "" && len(p.Words) == 0 {
		return p.Suite
	}
	if experiment == "" {
		var all []string
		for _, word := range p.Words {
			all = append(all, quoted(word))
		}
		return strings.Join(all, " ")
	}
	for _, e := range p.Experiments {
		if e.Name == experiment && e.Word != "" {
			return quoted(e.Word)
		}
	}
	return quoted(experiment)
}

// quoted writes a word as a shell reads it.
func quoted(word string) string {
	if word == "" || strings.ContainsAny(word, " \t\n'\"\\$`&|;<>()*?[]#~!{}") {
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return word
}

// noData says that nothing can be told, and why.
func noData(what, why string) string { return "no " + what + ": " + why }

// finite keeps a figure that JSON could not hold out of a result.
func finite(x float64) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0
	}
	return x
}
