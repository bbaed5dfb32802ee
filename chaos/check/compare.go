package check

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/stats"
)

// alarms is the chance that an experiment whose rows are all within their
// bounds is failed by any of them.
const alarms = 0.05

// A Pair is a run with faults and its control.
type Pair struct {
	Name    string // its number, for people
	Fault   chaos.Result
	Control Control
}

// unfit says why a pair tells nothing of an experiment; empty: it does. What
// makes a single run INCONCLUSIVE makes a pair unfit, and another takes its
// place; it is never left out for what it found.
func (p Pair) unfit(experiment string) string {
	e, ok := experimentOf(p.Fault, experiment)
	if !ok {
		return "the run has no such experiment"
	}
	for _, g := range p.Fault.Gates {
		if !g.OK && g.Name != "generator" { // which each experiment has a finding of
			return g.Text
		}
	}
	for _, f := range e.Findings {
		if f.Verdict == chaos.Inconclusive && f.Check != limits.Name && f.Check != recovered.Name {
			return f.Text
		}
	}
	if e.Injection.Status != "proven" {
		return "the fault was not proven"
	}
	if why := p.Control.Unfit[experiment]; why != "" {
		return "in the control: " + why
	}
	return ""
}

func experimentOf(r chaos.Result, name string) (chaos.ExperimentResult, bool) {
	for _, e := range r.Experiments {
		if e.Name == name {
			return e, true
		}
	}
	return chaos.ExperimentResult{}, false
}

// A question is one row to be decided: of a limit or of a margin.
type question struct {
	row   chaos.ComparedRow
	of    string // class and edge, as rows have them
	limit *chaos.Limit
	times bool
}

// questions are what an experiment holds its runs to.
func questions(e chaos.Experiment) []question {
	var all []question
	for _, l := range e.Hypothesis.Limits {
		all = append(all, question{of: of(l), limit: &l, row: chaos.ComparedRow{Experiment: e.Name, Metric: l.Metric, Class: of(l), Phase: l.Phase,
			Kind: "limit", Unit: unit(l.Metric)}})
	}
	for _, m := range e.Hypothesis.AllMargins() {
		q := question{of: of(chaos.Limit{Class: m.Class, Edge: m.Edge}), times: m.Times > 0}
		q.row = chaos.ComparedRow{Experiment: e.Name, Metric: m.Metric, Class: q.of, Phase: m.Phase, Kind: "margin", Unit: unit(m.Metric),
			Ratio: q.times, Bound: m.Most}
		if q.times {
			q.row.Bound = m.Times
		}
		all = append(all, q)
	}
	return all
}

func unit(metric string) string {
	for _, m := range chaos.Metrics {
		if m.Name == metric {
			return m.Unit
		}
	}
	return ""
}

// Compare decides what the pairs of an experiment allow. The median of how much
// worse the runs with a fault were is held against each bound, with a bootstrap
// interval: below the bound it is shown to be kept, above it to be broken. That
// any of several rows is broken is claimed by Holm's rule; that all are kept
// needs no such correction, since it is only claimed if each of them is (Berger
// 1982). Each look at the pairs has its own part of the error.
func Compare(asked chaos.Pairs, es []chaos.Experiment, pairs []Pair) chaos.Comparison {
	c := chaos.Comparison{Kind: "pairs", Pairs: len(pairs), Alpha: alarms, Rows: []chaos.ComparedRow{}, Notes: []string{}}
	alpha := alarms / float64(asked.Looks())
	for _, e := range es {
		var fit []Pair
		for _, p := range pairs {
			if why := p.unfit(e.Name); why != "" {
				c.Notes = append(c.Notes, fmt.Sprintf("%s: pair %s was not counted: %s", e.Name, p.Name, why))
				continue
			}
			fit = append(fit, p)
		}
		c.Pairs = min(c.Pairs, len(fit))
		first := len(c.Rows)
		var beyond []float64
		for i, q := range questions(e) {
			row, held := q.decide(fit, asked.Least, alpha, asked.Seed+uint64(i))
			c.Rows = append(c.Rows, row)
			beyond = append(beyond, held.Beyond)
		}
		for i, p := range stats.Holm(beyond) {
			r := &c.Rows[first+i]
			r.P = p
			if p <= alpha && r.N >= asked.Least {
				r.Verdict = chaos.Fail
			}
			r.Text = sentence(*r)
		}
	}
	return c
}

// decide takes the row's figures from the pairs. It may find that the bound is
// kept; that it is broken is for all rows together.
func (q question) decide(pairs []Pair, least int, alpha float64, seed uint64) (chaos.ComparedRow, stats.Comparison) {
	row := q.row
	var before, now []float64
	for _, p := range pairs {
		f, b := q.figures(p)
		if f == nil || b == nil && q.limit == nil {
			continue
		}
		worse := q.worse(b, *f)
		if math.IsNaN(worse) || math.IsInf(worse, 0) {
			continue // a ratio to nothing
		}
		row.Values = append(row.Values, worse)
		now = append(now, *f)
		if b != nil {
			before = append(before, *b)
		}
	}
	row.N = len(row.Values)
	if row.N == 0 {
		return row, stats.Compare(nil, 0, alpha, seed)
	}
	median := func(x []float64) *float64 {
		if len(x) == 0 {
			return nil
		}
		m := stats.Median(x)
		return &m
	}
	row.Before, row.Now, row.Worse = median(before), median(now), median(row.Values)
	held := stats.Compare(row.Values, row.Bound, alpha, seed)
	row.Lo, row.Hi = &held.Interval.Lo, &held.Interval.Hi
	if row.N >= least && held.Within <= alpha {
		row.Verdict = chaos.Pass
	}
	return row, held
}

// figures are the metric in the two runs of a pair; nil where it cannot be told.
func (q question) figures(p Pair) (fault, control *float64) {
	e, _ := experimentOf(p.Fault, q.row.Experiment)
	fault = q.pick(e.Rows)
	control = q.pick(p.Control.Rows[q.row.Experiment])
	if q.row.Metric == "recovery" {
		none := 0.0 // nothing was there to recover from
		control = &none
		if fault == nil && e.Recovery.Status == "not-recovered" {
			waited := e.After.To - e.Fault.To // it was longer than this
			fault = &waited
		}
	}
	return fault, control
}

// pick picks the question's figure out of a table.
func (q question) pick(rows []chaos.Row) *float64 {
	for _, r := range rows {
		if r.Metric != q.row.Metric || r.Class != q.of {
			continue
		}
		x, n := r.Fault, r.N[1]
		switch {
		case q.row.Phase == "after" || q.row.Metric == "recovery":
			x, n = r.After, r.N[2]
		case q.row.Phase == "baseline":
			x, n = r.Baseline, r.N[0]
		}
		if x == nil && q.row.Metric == "amplification" && n == 0 {
			one := 1.0 // nobody called, nothing was amplified
			x = &one
		}
		return x
	}
	return nil
}

// worse says by how much: of a limit how far beyond it, of a margin how far
// from the control.
func (q question) worse(control *float64, fault float64) float64 {
	switch {
	case q.limit != nil:
		return beyond(*q.limit, fault)
	case q.times && q.row.Metric == "goodput":
		return *control / fault
	case q.times:
		return fault / *control
	case q.row.Metric == "goodput":
		return *control - fault
	}
	return fault - *control
}

// beyond is how far a figure lies past a limit; below 0 it is within. An end that
// the metric cannot pass, such as a goodput of 1, is none: to be near it is no
// reason to be called worse.
func beyond(l chaos.Limit, x float64) float64 {
	switch {
	case l.Min <= 0 || l.Metric == "amplification" && l.Min <= 1:
		return x - l.Max
	case unit(l.Metric) == "share" && l.Max >= 1:
		return l.Min - x
	}
	return max(l.Min-x, x-l.Max)
}

// sentence says a row with its figures.
func sentence(r chaos.ComparedRow) string {
	what := strings.TrimSpace(r.Metric + " " + r.Class)
	if r.Phase != "" && r.Phase != "fault" {
		what += " " + r.Phase
	}
	if r.Worse == nil {
		return fmt.Sprintf("%s cannot be told from the pairs", what)
	}
	amount := func(x float64) string {
		if r.Ratio {
			return fmt.Sprintf("%.2f times", x)
		}
		return signed(r.Metric, x)
	}
	verdict := map[chaos.Verdict]string{chaos.Pass: "kept", chaos.Fail: "broken", chaos.Inconclusive: "not decided"}[r.Verdict]
	ends := fmt.Sprintf("%s to %s", amount(*r.Lo), amount(*r.Hi))
	if r.Kind == "limit" {
		return fmt.Sprintf("%s: %s in the median of %d runs, past its limit by %s (%s; below 0 it is within): %s", what, figure(r.Metric, *r.Now), r.N, amount(*r.Worse), ends, verdict)
	}
	return fmt.Sprintf("%s: worse by %s (%s) in the median of %d pairs, at most %s: %s", what, amount(*r.Worse), ends, r.N, amount(r.Bound), verdict)
}

// signed prints a difference in a metric's unit; of shares, percentage points.
func signed(metric string, x float64) string {
	if unit(metric) == "share" {
		return fmt.Sprintf("%.2f pp", 100*x)
	}
	if x < 0 {
		return "-" + figure(metric, -x)
	}
	return figure(cmp.Or(metric, "count"), x)
}
