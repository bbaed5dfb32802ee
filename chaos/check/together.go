package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/stats"
)

// Together judges pairs of runs as one. Figures are decided over the pairs
// ([Compare]); everything else that any of the runs was seen to do wrong is
// wrong here too. The plan is that of any of them. Windows, chart and traces are those of one run, the first
// that could be compared; figures are the medians of all.
func Together(asked chaos.Pairs, plan chaos.Plan, pairs []Pair) chaos.Result {
	es := plan.Experiments
	if len(pairs) == 0 { // the first one was cut short
		res := chaos.Result{Schema: chaos.ResultSchema, Seed: asked.Seed, Engine: asked.Engine, Suite: strings.Join(asked.Words, " "), Run: asked.Run}
		conclude(&res)
		return res
	}
	c := Compare(asked, es, pairs)
	example := pairs[0].Fault
	for _, p := range slices.Backward(pairs) {
		if !slices.ContainsFunc(es, func(e chaos.Experiment) bool { return p.unfit(e.Name) != "" }) {
			example = p.Fault
		}
	}
	res := example
	res.Seed, res.Run, res.Suite = asked.Seed, asked.Run, strings.Join(asked.Words, " ")
	res.Comparison, res.Reasons, res.Stronger = &c, []string{}, ""
	res.Experiments, res.Findings = []chaos.ExperimentResult{}, []chaos.Finding{}
	var runs []chaos.Result
	for _, p := range pairs {
		runs = append(runs, p.Fault, p.Control.Result)
		res.Findings = append(res.Findings, facts(p.Fault.Findings)...)
		res.Findings = append(res.Findings, ofControl(p)...)
	}
	res.Findings = once(res.Findings)
	res.Audit = sumAudits(runs)
	res.Gates = []chaos.Gate{{Name: "pairs", OK: c.Pairs >= asked.Least,
		Text: fmt.Sprintf("%d of %d pairs could be compared in every experiment (at least %d)", c.Pairs, len(pairs), asked.Least)}}
	for _, e := range es {
		if one, ok := experimentOf(example, e.Name); ok {
			res.Experiments = append(res.Experiments, overPairs(one, pairs, c, again(asked, plan, e.Name)))
		}
	}
	conclude(&res)
	return res
}

// facts are the findings that need no statistics: what a run was seen to do.
func facts(fs []chaos.Finding) []chaos.Finding {
	var out []chaos.Finding
	for _, f := range fs {
		if f.Verdict == chaos.Fail && f.Check != limits.Name {
			out = append(out, f)
		}
	}
	return out
}

// Broke reports whether a run of the pair did what is wrong whatever the figures
// say.
func (p Pair) Broke() bool {
	all := append(facts(p.Fault.Findings), ofControl(p)...)
	for _, e := range p.Fault.Experiments {
		all = append(all, facts(e.Findings)...)
	}
	return len(all) > 0
}

// ofControl are what a run did wrong that nobody broke.
func ofControl(p Pair) []chaos.Finding {
	var out []chaos.Finding
	all := slices.Clone(p.Control.Result.Findings)
	for _, e := range p.Control.Result.Experiments {
		all = append(all, e.Findings...)
	}
	for _, f := range facts(all) {
		f.Text = "without any fault: " + f.Text
		out = append(out, f)
	}
	return out
}

// once keeps the first of several findings that say the same of the same site.
func once(fs []chaos.Finding) []chaos.Finding {
	out := []chaos.Finding{}
	seen := map[[3]string]bool{}
	for _, f := range fs {
		if key := [3]string{f.Check, f.Site, f.Mechanism}; !seen[key] {
			seen[key] = true
			out = append(out, f)
		}
	}
	return out
}

// sumAudits adds up what the runs' stores were looked at for.
func sumAudits(runs []chaos.Result) []chaos.AuditLine {
	out := []chaos.AuditLine{}
	for _, r := range runs {
		for _, l := range r.Audit {
			i := slices.IndexFunc(out, func(o chaos.AuditLine) bool { return o.Name == l.Name })
			if i < 0 {
				out = append(out, l)
				continue
			}
			o := &out[i]
			switch nothing := func(l chaos.AuditLine) bool { return l.N == 0 && l.Violations == 0 }; {
			case nothing(l):
				continue // what one run had none of, the others may have
			case nothing(*o):
				*o = l
				continue
			}
			if o.Verdict != chaos.Fail && l.Verdict != chaos.Pass {
				o.Text = l.Text
			}
			o.N, o.Violations, o.Verdict = o.N+l.N, o.Violations+l.Violations, chaos.Worst(o.Verdict, l.Verdict)
		}
	}
	for i := range out {
		if out[i].Bound = 0; out[i].Violations == 0 {
			out[i].Bound = stats.RuleOfThree(out[i].N)
		}
	}
	return out
}

// overPairs is an experiment of one run with the figures and verdicts of all.
func overPairs(e chaos.ExperimentResult, pairs []Pair, c chaos.Comparison, again string) chaos.ExperimentResult {
	var own []chaos.Finding
	var tables [][]chaos.Row
	for _, p := range pairs {
		if one, ok := experimentOf(p.Fault, e.Name); ok {
			own = append(own, facts(one.Findings)...)
			if p.unfit(e.Name) == "" {
				tables = append(tables, one.Rows)
			}
		}
	}
	e.Rows = medians(e.Rows, tables)
	decided := map[string][]chaos.Verdict{} // by metric and class
	var verdicts []chaos.Verdict
	for _, r := range c.Rows {
		if r.Experiment != e.Name {
			continue
		}
		verdicts = append(verdicts, r.Verdict)
		if r.Kind == "limit" {
			decided[r.Metric+" "+r.Class] = append(decided[r.Metric+" "+r.Class], r.Verdict)
		}
		if r.Verdict == chaos.Pass {
			continue
		}
		f := chaos.Finding{Check: limits.Name, Verdict: r.Verdict, Mechanism: r.Metric, Text: r.Text, Count: r.N, Repeat: again}
		if r.Verdict == chaos.Fail {
			f.Site, f.Trace = blamed(pairs, e.Name, r.Metric)
		}
		own = append(own, f)
	}
	for i := range e.Rows {
		row := &e.Rows[i]
		row.Verdict, row.Basis = nil, ""
		if vs := decided[row.Metric+" "+row.Class]; len(vs) > 0 {
			v := chaos.Worst(vs...)
			row.Verdict = &v
			if v == chaos.Pass {
				row.Basis = chaos.Shown
			}
		}
	}
	e.Findings = []chaos.Finding{}
	for _, f := range own {
		same := func(o chaos.Finding) bool {
			return o.Check == f.Check && o.Site == f.Site && o.Mechanism == f.Mechanism
		}
		if f.Check == limits.Name || !slices.ContainsFunc(e.Findings, same) {
			e.Findings = append(e.Findings, f)
		}
		verdicts = append(verdicts, f.Verdict)
	}
	e.Verdict = chaos.Worst(verdicts...)
	return e
}

// again is the command that repeats an experiment with its pairs.
func again(asked chaos.Pairs, plan chaos.Plan, experiment string) string {
	plan.Seed = asked.Seed
	one := repeat([]chaos.Finding{{}}, plan, experiment)[0].Repeat
	return strings.Replace(one, "bedlam run", fmt.Sprintf("bedlam run --pairs %d", asked.Least), 1)
}

// blamed is the site that a run's own broken limit of a metric accuses most
// often.
func blamed(pairs []Pair, experiment, metric string) (site, trace string) {
	votes := map[string]int{}
	for _, p := range pairs {
		e, _ := experimentOf(p.Fault, experiment)
		for _, f := range e.Findings {
			if f.Check == limits.Name && f.Mechanism == metric && f.Site != "" {
				if votes[f.Site]++; site == "" || votes[f.Site] > votes[site] {
					site, trace = f.Site, f.Trace
				}
			}
		}
	}
	return site, trace
}

// medians are a table whose figures are the medians of several.
func medians(like []chaos.Row, tables [][]chaos.Row) []chaos.Row {
	out := slices.Clone(like)
	for i := range out {
		var figures [3][]float64
		row := &out[i]
		row.N = [3]int{}
		for _, t := range tables {
			for _, r := range t {
				if r.Metric != row.Metric || r.Class != row.Class {
					continue
				}
				for phase, x := range []*float64{r.Baseline, r.Fault, r.After} {
					row.N[phase] += r.N[phase]
					if x != nil {
						figures[phase] = append(figures[phase], *x)
					}
				}
			}
		}
		for phase, into := range []**float64{&row.Baseline, &row.Fault, &row.After} {
			if *into = nil; len(figures[phase]) > 0 {
				m := stats.Median(figures[phase])
				*into = &m
			}
		}
		row.Intervals = [3]*chaos.Interval{} // they were one run's
	}
	return out
}
