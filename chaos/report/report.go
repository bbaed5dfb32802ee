// Package report says a judgement to people and programs: [Terminal] to a
// person who waited, [HTML] to one who wants to look closer, [Markdown] to a
// pull request, [JUnit] to a CI server and [JSON] to everything else; [Schema]
// describes that last one. All of them say the verdict first. Whatever text a
// result holds (errors of the shop, names out of files) is taken for hostile.
package report

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
)

// sentence says the whole run in one.
func sentence(r chaos.Result) string {
	total := len(r.Experiments)
	if r.Control {
		return "a control: nothing was to be injected"
	}
	if total == 0 {
		return "no experiment was run"
	}
	n := map[chaos.Verdict]int{}
	for _, e := range r.Experiments {
		n[e.Verdict]++
	}
	if n[chaos.Pass] == total {
		if total == 1 {
			return "the experiment passed"
		}
		return fmt.Sprintf("all %d experiments passed", total)
	}
	var parts []string
	for _, p := range []struct {
		v    chaos.Verdict
		said string
	}{{chaos.Fail, "failed"}, {chaos.Inconclusive, "inconclusive"}, {chaos.Pass, "passed"}} {
		if n[p.v] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[p.v], p.said))
		}
	}
	if total == 1 {
		return "1 experiment: " + strings.Fields(parts[0])[1]
	}
	return fmt.Sprintf("%d experiments: %s", total, strings.Join(parts, ", "))
}

// alarm is what must be read even by one who reads nothing else: something is
// still broken. It is empty if all was lifted.
func alarm(r chaos.Result) string {
	var names []string
	for _, e := range r.Experiments {
		if e.Recovery.Status == "not-lifted" {
			names = append(names, e.Name)
		}
	}
	switch {
	case len(names) > 0:
		return "NOT LIFTED: the fault of " + strings.Join(names, ", ") + " may still be there; put it right with: bedlam heal"
	case r.Exit == 4:
		return "NOT LIFTED: a fault may still be there; put it right with: bedlam heal"
	}
	return ""
}

// origin says where and how the run was made.
func origin(r chaos.Result) string {
	parts := []string{fmt.Sprintf("seed %d", r.Seed)}
	if r.Engine != "" {
		parts = append(parts, "engine "+r.Engine)
	}
	parts = append(parts, fmt.Sprintf("%g journeys/s", r.Load.Rate))
	if !r.Started.IsZero() {
		parts = append(parts, r.Started.UTC().Format("2006-01-02 15:04 UTC"))
	}
	if r.Machine.OS != "" {
		parts = append(parts, fmt.Sprintf("%s/%s with %s", r.Machine.OS, r.Machine.Arch, plural(r.Machine.CPUs, "CPU")))
	}
	if r.Commit != "" {
		parts = append(parts, "commit "+short(r.Commit))
	}
	return strings.Join(parts, ", ")
}

// short is a commit or trace id that a person can compare: 12 digits are
// unique in any repository.
func short(id string) string {
	if r := []rune(id); len(r) > 12 {
		return string(r[:12])
	}
	return id
}

// recovered says how an experiment ended, in a few words.
func recovered(x chaos.Recovery) string {
	switch {
	case x.Seconds != nil:
		// A second has too few requests for more: 0 means within the first.
		return "≤ " + duration(max(1, *x.Seconds))
	case x.Status == "" || x.Status == "none":
		return dash
	}
	return cut(strings.ReplaceAll(x.Status, "-", " "), mostWord)
}

// howSoon says how soon, and after what, a system that recovered did so.
func howSoon(x chaos.Recovery) string {
	return fmt.Sprintf("recovered within %s of the %s", duration(max(1, *x.Seconds)), cut(plain(cmp.Or(x.Since, "lift")), mostWord))
}

// elsewhere says in which phase a hop failed, if it is not the one that is meant
// without saying so.
func elsewhere(h chaos.Hop) string {
	if h.Phase == "" || h.Phase == "fault" {
		return ""
	}
	return " (" + cut(h.Phase, mostWord) + ")"
}

// total returns the row of a metric over all requests.
func total(e chaos.ExperimentResult, metric string) chaos.Row {
	for _, row := range e.Rows {
		if row.Metric == metric && row.Class == "" {
			return row
		}
	}
	return chaos.Row{Metric: metric}
}

// cell prints one figure of a row. A recovery of 0 means within the first second.
func cell(row chaos.Row, x *float64) string {
	if row.Metric == "recovery" && x != nil && *x >= 0 && *x <= 1 {
		return "≤ " + duration(1)
	}
	return figure(x, row.Unit)
}

// doubts are the conditions that did not hold, for an experiment that is
// inconclusive because of them and not of anything found in itself.
func doubts(r chaos.Result, e chaos.ExperimentResult) []string {
	if e.Verdict != chaos.Inconclusive || len(e.Findings) > 0 {
		return nil
	}
	var texts []string
	for _, g := range r.Gates {
		if !g.OK {
			texts = append(texts, g.Text)
		}
	}
	return texts
}
