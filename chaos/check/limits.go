package check

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
)

// limits holds the hypothesis against what was measured.
var limits = experimentCheck{
	Check: Check{"hypothesis", "every limit that the experiment states before it runs is kept"},
	judge: func(v *view) []chaos.Finding {
		var fs []chaos.Finding
		for _, l := range v.spec.Hypothesis.Limits {
			verdict, x := v.holds(l)
			if verdict == chaos.Pass {
				continue
			}
			f := chaos.Finding{Check: "hypothesis", Verdict: verdict, Mechanism: l.Metric}
			f.Site, f.Trace, f.Count = v.blame(l)
			what := l.Metric
			if of := l.Class + l.Edge; of != "" {
				what += " of " + of
			}
			if verdict == chaos.Inconclusive {
				f.Text = fmt.Sprintf("%s cannot be told from %d samples (limit: %s)", what, x.n, inWords(l))
			} else {
				f.Text = fmt.Sprintf("%s was %s, limit %s", what, figure(l.Metric, *x.value), inWords(l))
				if f.Site != "" {
					f.Text += "; " + cause(v, f.Site)
				}
			}
			fs = append(fs, f)
		}
		return fs
	},
}

// holds holds one limit against the record.
func (v *view) holds(l chaos.Limit) (chaos.Verdict, reading) {
	w := v.fault
	switch l.Phase {
	case "baseline":
		w = v.baseline
	case "after":
		w = v.after
	}
	x := v.metric(l.Metric, l.Class, l.Edge, w)
	switch {
	case x.value == nil && l.Metric == "amplification" && x.n == 0 && v.ended:
		// Nobody called over the edge, as behind an open breaker: nothing was amplified.
		return chaos.Pass, x
	case x.value == nil:
		return chaos.Inconclusive, x
	case *x.value < l.Min, *x.value > l.Max:
		return chaos.Fail, x
	}
	return chaos.Pass, x
}

// blame names the site of a broken limit, with an example trace: the edge it
// speaks of, or where most of the bad requests failed first.
func (v *view) blame(l chaos.Limit) (site, trace string, n int) {
	if len(v.hops) > 0 {
		site, trace, n = v.hops[0].Site, v.hops[0].Example, v.hops[0].Count
	} else if s, r, slow := slowest(v, l); slow {
		site, trace, n = s, r, 1
	}
	if l.Edge != "" {
		site = l.Edge
	}
	return site, trace, n
}

// cause says how a site is at fault. An edge to what was harmed accuses the
// caller: it did not tolerate the loss of its callee.
func cause(v *view, site string) string {
	from, to, edge := strings.Cut(site, "->")
	if !edge {
		return "most failed first in " + site
	}
	for _, name := range v.harmed() {
		if to == name {
			return fmt.Sprintf("%s did not tolerate the loss of %s (%s)", from, to, site)
		}
	}
	return "most failed first at " + site
}

// harmed returns the services whose instances, or links, were harmed.
func (v *view) harmed() []string {
	var names []string
	service := func(instance string) string {
		if i := strings.LastIndexByte(instance, '-'); i >= 0 {
			return instance[:i]
		}
		return instance
	}
	for _, f := range v.faults {
		for _, in := range f.Instances {
			names = append(names, service(in))
		}
		for _, l := range f.Links {
			names = append(names, service(l.To))
		}
	}
	return names
}

// figure prints a value in its metric's unit.
func figure(metric string, x float64) string {
	if math.IsInf(x, 1) {
		return "never reached"
	}
	for _, m := range chaos.Metrics {
		if m.Name != metric {
			continue
		}
		switch m.Unit {
		case "share":
			return fmt.Sprintf("%.4g %%", 100*x)
		case "s":
			return time.Duration(x * float64(time.Second)).Round(time.Millisecond).String()
		case "x":
			return fmt.Sprintf("%.2f x", x)
		}
	}
	return fmt.Sprintf("%g", x)
}

// slowest finds, for a broken limit of latency, the hop that took the longest
// in the slowest request.
func slowest(v *view, l chaos.Limit) (site, trace string, ok bool) {
	w := v.fault
	if l.Phase == "after" {
		w = v.after
	}
	var worst loadgen.Request
	for _, r := range v.m.due(w) {
		if (l.Class == "" || r.Class == l.Class) && r.Latency() > worst.Latency() {
			worst = r
		}
	}
	if worst.Latency() == 0 {
		return "", "", false
	}
	site = heaviest(v.m.rec.Spans.Trace(worst.TraceID))
	return site, fmt.Sprintf("%x", worst.TraceID), site != ""
}

// aborted holds a breached abort limit against the experiment.
var aborted = experimentCheck{
	Check: Check{"abort", "goodput never falls below the experiment's own abort limit"},
	judge: func(v *view) []chaos.Finding {
		detail, was := v.has(chaos.Aborted)
		if !was {
			return nil
		}
		f := chaos.Finding{Check: "abort", Verdict: chaos.Fail, Text: "aborted: " + detail}
		if strings.Contains(detail, "lease") {
			f.Verdict = chaos.Inconclusive
		} else {
			f.Site, f.Trace, f.Count = v.blame(chaos.Limit{})
		}
		return []chaos.Finding{f}
	},
}
