package check

import (
	"fmt"
	"slices"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/stats"
)

// regression is the name that findings of [Against] bear.
const regression = "regression"

// tolerated is how much worse than an earlier result a figure may be before it
// is a regression: what runs of one machine differ by from day to day.
var tolerated = []chaos.Margin{
	{Metric: "goodput", Phase: "fault", Most: 0.02},
	{Metric: "goodput", Phase: "after", Most: 0.005},
	{Metric: "p50", Phase: "fault", Most: 0.02},
	{Metric: "p90", Phase: "fault", Most: 0.05},
	{Metric: "p90", Phase: "after", Most: 0.05},
	// Of these one run has one figure: only pairs have an interval of them.
	{Metric: "amplification", Phase: "fault", Most: 0.1},
	{Metric: "recovery", Most: 2},
}

// Against holds a result against an earlier one of the same experiments and
// concludes again: an interval that lies beyond what is tolerated as a whole is
// a regression, and so is an experiment that passed and now fails. What cannot
// be told apart accuses nobody. Two results of pairs are compared over their
// pairs; otherwise the seconds of the two runs stand against each other, which
// says little of how much runs differ: the tolerance has to cover that.
func Against(res *chaos.Result, earlier chaos.Result) {
	c := chaos.Comparison{Kind: "earlier", Alpha: alarms, Rows: []chaos.ComparedRow{}, Notes: []string{},
		Of:     fmt.Sprintf("run %s of %s, seed %d", earlier.Run, earlier.Started.UTC().Format("2006-01-02 15:04 UTC"), earlier.Seed),
		Margin: "a regression is an interval that lies beyond the tolerance as a whole"}
	if earlier.Commit != "" {
		c.Of += ", commit " + earlier.Commit[:min(12, len(earlier.Commit))]
	}
	if earlier.Comparison != nil && res.Comparison != nil {
		c.Pairs = min(earlier.Comparison.Pairs, res.Comparison.Pairs)
	}
	elsewhere := earlier.Machine.Host != res.Machine.Host || earlier.Machine.CPUs != res.Machine.CPUs || earlier.Machine.Arch != res.Machine.Arch
	if elsewhere {
		c.Notes = append(c.Notes, "the earlier result is of another machine: times are not compared")
	}
	res.Findings = slices.DeleteFunc(slices.Clone(res.Findings), func(f chaos.Finding) bool { return f.Check == regression })
	add := func(e chaos.ExperimentResult, mechanism, text string) {
		f := chaos.Finding{Check: regression, Verdict: chaos.Fail, Mechanism: mechanism, Text: e.Name + ": " + text}
		for _, own := range e.Findings {
			if f.Site == "" && own.Verdict == chaos.Fail {
				f.Site, f.Trace, f.Repeat = own.Site, own.Trace, own.Repeat
			}
		}
		res.Findings = append(res.Findings, f)
	}
	for _, now := range res.Experiments {
		before, ok := experimentOf(earlier, now.Name)
		switch {
		case !ok:
			c.Notes = append(c.Notes, now.Name+": the earlier result has no such experiment")
			continue
		case now.Verdict == chaos.Inconclusive || before.Verdict == chaos.Inconclusive:
			c.Notes = append(c.Notes, now.Name+": not compared, since one of the two is INCONCLUSIVE")
			continue
		case now.Verdict == chaos.Fail && before.Verdict == chaos.Pass:
			add(now, "verdict", "it passed in the earlier result and fails now")
		}
		rows := regressions(before, now, earlier.Comparison, res.Comparison, elsewhere)
		var ps []float64
		for _, r := range rows {
			ps = append(ps, r.P)
		}
		for i, p := range stats.Holm(ps) {
			r := &rows[i]
			if r.P = p; p <= alarms {
				r.Verdict = chaos.Fail
			}
			r.Text = regressed(*r)
			if r.Verdict == chaos.Fail {
				add(now, r.Metric, r.Text)
			}
		}
		c.Rows = append(c.Rows, rows...)
	}
	res.Regression, res.Reasons = &c, []string{}
	conclude(res)
}

// regressions are an experiment's figures then and now.
func regressions(before, now chaos.ExperimentResult, cb, cn *chaos.Comparison, elsewhere bool) []chaos.ComparedRow {
	var out []chaos.ComparedRow
	for _, m := range tolerated {
		if elsewhere && unit(m.Metric) == "s" {
			continue
		}
		for _, r := range now.Rows {
			i := slices.IndexFunc(before.Rows, func(b chaos.Row) bool { return b.Metric == m.Metric && b.Class == r.Class })
			if r.Metric != m.Metric || i < 0 {
				continue
			}
			row := chaos.ComparedRow{Experiment: now.Name, Metric: m.Metric, Class: r.Class, Phase: m.Phase, Kind: "margin", Unit: r.Unit, Bound: m.Most}
			if cb != nil && cn != nil {
				overRuns(&row, cb, cn)
			} else {
				withinRuns(&row, before.Rows[i], r)
			}
			if row.Worse != nil {
				out = append(out, row)
			}
		}
	}
	return out
}
