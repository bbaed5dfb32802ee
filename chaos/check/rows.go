package check

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
)

// A reading is one metric of one phase.
type reading struct {
	value *float64 // nil: the samples do not allow it
	n     int
}

// percentiles are those that have a name, in thousandths.
var percentiles = map[string]int{"p50": 500, "p90": 900, "p99": 990, "p99.9": 999}

// metric takes a metric in a window. One that is not known has no value.
func (v *view) metric(name, class, edge string, w chaos.Window, c clock) reading {
	switch name {
	case "amplification":
		return v.m.amplification(edge, w)
	case "traffic":
		return v.traffic(edge, w)
	case "recovery":
		return v.recoveryTime(c)
	}
	s := v.m.sample(w, class, c)
	switch name {
	case "goodput":
		return s.share(s.good)
	case "failed":
		return s.share(s.failed)
	case "degraded":
		return s.share(s.degraded)
	case "lost":
		return s.count(s.n - s.good)
	}
	if q, ok := percentiles[name]; ok {
		return s.percentile(q)
	}
	return reading{}
}

// rows are the experiment's table: every metric as a whole, what the hypothesis
// limits besides, what the processes held, and what the fault did in all.
func rows(v *view) []chaos.Row {
	out := []chaos.Row{}
	for _, metric := range chaos.Metrics {
		out = append(out, v.row(metric, "", ""))
	}
	for _, l := range v.spec.Hypothesis.Limits {
		i := slices.IndexFunc(out, func(r chaos.Row) bool { return r.Metric == l.Metric && r.Class == of(l) })
		if i < 0 {
			out = append(out, v.row(chaos.Metric{Name: l.Metric, Unit: unit(l.Metric)}, l.Class, l.Edge))
			i = len(out) - 1
		}
		verdict, _ := v.holds(l)
		if out[i].Verdict != nil {
			verdict = chaos.Worst(*out[i].Verdict, verdict)
			out[i].Limit += "; "
		}
		out[i].Limit += inWords(l)
		out[i].Verdict = &verdict
	}
	for _, m := range v.spec.Hypothesis.Margins {
		l := chaos.Limit{Metric: m.Metric, Class: m.Class, Edge: m.Edge}
		if !slices.ContainsFunc(out, func(r chaos.Row) bool { return r.Metric == m.Metric && r.Class == of(l) }) {
			out = append(out, v.row(chaos.Metric{Name: m.Metric, Unit: unit(m.Metric)}, m.Class, m.Edge))
		}
	}
	for i := range out {
		if out[i].Verdict != nil && *out[i].Verdict == chaos.Pass {
			out[i].Basis = chaos.NotRefuted // how another run would fare, one cannot say
		}
	}
	return slices.Concat(out, holdingRows(v), effects(v))
}

// of says of what a limit speaks: a class, an edge or, empty, everything.
func of(l chaos.Limit) string { return strings.TrimSpace(l.Class + " " + l.Edge) }

func (v *view) row(metric chaos.Metric, class, edge string) chaos.Row {
	r := chaos.Row{Metric: metric.Name, Class: of(chaos.Limit{Class: class, Edge: edge}), Unit: cmp.Or(metric.Unit, "count")}
	if metric.Name == "recovery" {
		x := v.recoveryTime(fromDue)
		if r.N[2] = x.n; x.value != nil && !math.IsInf(*x.value, 1) {
			r.After = x.value // never has no figure: the verdict and the finding say it
		}
		return r
	}
	for i, w := range []chaos.Window{v.baseline, v.fault, v.after} {
		x := v.metric(metric.Name, class, edge, w, fromDue)
		*[]**float64{&r.Baseline, &r.Fault, &r.After}[i] = x.value
		r.N[i] = x.n
		if x.value != nil {
			r.Intervals[i] = v.interval(metric.Name, class, w)
		}
	}
	return r
}

// inWords says a limit.
func inWords(l chaos.Limit) string {
	least, most := figure(l.Metric, l.Min), figure(l.Metric, l.Max)
	share := l.Metric == "goodput" || l.Metric == "degraded" || l.Metric == "failed"
	var text string
	switch {
	case l.Min <= 0 || l.Metric == "amplification" && l.Min <= 1:
		text = "at most " + most
	case share && l.Max >= 1:
		text = "at least " + least
	default:
		text = least + " to " + most
	}
	if l.Phase != "fault" && l.Metric != "recovery" {
		text = strings.TrimSpace(text + " " + l.Phase)
	}
	return text
}
