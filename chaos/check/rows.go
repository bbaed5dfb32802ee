package check

import (
	"math"
	"slices"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// tail is the number of samples that must lie above a percentile for it to be
// said: with fewer, one slow request more or less moves it.
const tail = 10

// A reading is one metric of one phase.
type reading struct {
	value *float64 // nil: the samples do not allow it
	n     int
}

// read takes a metric in a window.
func (v *view) metric(name, class, edge string, w chaos.Window) reading {
	switch name {
	case "amplification":
		return v.amplification(edge, w)
	case "recovery":
		return v.recoveryTime()
	}
	rs := v.m.due(w)
	if class != "" {
		rs = slices.DeleteFunc(slices.Clone(rs), func(r loadgen.Request) bool { return r.Class != class })
	}
	share := func(is func(loadgen.Request) bool) reading {
		n := 0
		for _, r := range rs {
			if is(r) {
				n++
			}
		}
		if len(rs) == 0 {
			return reading{}
		}
		s := float64(n) / float64(len(rs))
		return reading{&s, len(rs)}
	}
	switch name {
	case "goodput":
		return share(good)
	case "failed":
		return share(func(r loadgen.Request) bool { return !r.Good() })
	case "degraded":
		return share(func(r loadgen.Request) bool { return r.Outcome == loadgen.Degraded })
	case "lost":
		lost := 0.0
		for _, r := range rs {
			if !good(r) {
				lost++
			}
		}
		return reading{&lost, len(rs)}
	case "p50":
		return percentile(rs, 0.5)
	case "p90":
		return percentile(rs, 0.9)
	case "p99":
		return percentile(rs, 0.99)
	case "p99.9":
		return percentile(rs, 0.999)
	}
	return reading{}
}

// percentile is the nearest-rank percentile of the latencies.
func percentile(rs []loadgen.Request, q float64) reading {
	n := len(rs)
	if float64(n)*(1-q) < tail {
		return reading{nil, n}
	}
	ls := make([]float64, n)
	for i, r := range rs {
		ls[i] = r.Latency().Seconds()
	}
	slices.Sort(ls)
	l := ls[int(math.Ceil(q*float64(n)))-1]
	return reading{&l, n}
}

// amplification is attempts over first attempts of one edge, or of them all.
func (v *view) amplification(edge string, w chaos.Window) reading {
	first, all := 0, 0
	v.m.rec.Spans.Between(v.m.moment(w.From), v.m.moment(w.To), func(s collector.Span) bool {
		if s.Attempt > 0 && (edge == "" || s.Service+"->"+s.Peer == edge) {
			all++
			if s.Attempt == 1 {
				first++
			}
		}
		return true
	})
	if first == 0 {
		return reading{nil, all}
	}
	x := float64(all) / float64(first)
	return reading{&x, first}
}

// rows are the experiment's table: every metric as a whole, and what the
// hypothesis limits besides.
func rows(v *view) []chaos.Row {
	var out []chaos.Row
	for _, metric := range chaos.Metrics {
		out = append(out, v.row(metric, "", ""))
	}
	for _, l := range v.spec.Hypothesis.Limits {
		i := slices.IndexFunc(out, func(r chaos.Row) bool { return r.Metric == l.Metric && r.Class == l.Class+l.Edge })
		if i < 0 {
			m := chaos.Metrics[slices.IndexFunc(chaos.Metrics, func(m chaos.Metric) bool { return m.Name == l.Metric })]
			out = append(out, v.row(m, l.Class, l.Edge))
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
	return out
}

func (v *view) row(metric chaos.Metric, class, edge string) chaos.Row {
	r := chaos.Row{Metric: metric.Name, Class: class + edge, Unit: metric.Unit}
	if metric.Name == "recovery" {
		x := v.recoveryTime()
		if r.N[2] = x.n; x.value != nil && !math.IsInf(*x.value, 1) {
			r.After = x.value // never has no figure: the verdict and the finding say it
		}
		return r
	}
	for i, w := range []chaos.Window{v.baseline, v.fault, v.after} {
		x := v.metric(metric.Name, class, edge, w)
		*[]**float64{&r.Baseline, &r.Fault, &r.After}[i] = x.value
		r.N[i] = x.n
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
		text += " " + l.Phase
	}
	return text
}
