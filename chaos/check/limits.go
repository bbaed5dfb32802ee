package check

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
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
			f := chaos.Finding{Verdict: verdict, Mechanism: l.Metric}
			what := l.Metric
			if of := of(l); of != "" {
				what += " of " + of
			}
			switch {
			case x.value == nil && v.untraced(l) != "":
				f.Text = what + ": " + noData("traces", v.untraced(l))
			case x.value == nil:
				f.Text = fmt.Sprintf("%s cannot be told from %d samples (limit: %s)", what, x.n, inWords(l))
			case verdict == chaos.Inconclusive:
				f.Text = fmt.Sprintf("%s was %s, limit %s; the generator's own lateness may be why", what, figure(l.Metric, *x.value), inWords(l))
			default:
				f.Site, f.Trace, f.Count = v.blame(l)
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

// window returns the stretch of a phase.
func (v *view) window(phase string) chaos.Window {
	switch phase {
	case "baseline":
		return v.baseline
	case "after":
		return v.after
	}
	return v.fault
}

// measured returns the stretch that a limit speaks of: its phase's, or that of
// the recovery.
func (v *view) measured(l chaos.Limit) chaos.Window {
	if l.Metric != "recovery" {
		return v.window(l.Phase)
	}
	x, since := v.recovery(fromDue)
	w := chaos.Window{From: since.at, To: v.after.To}
	if x.value != nil && !math.IsInf(*x.value, 1) {
		w.To = since.at + *x.value
	}
	return w
}

// holds holds one limit against the record. A limit that would be kept if the
// generator had not been late itself, or was broken while it was, is not held
// against the shop.
func (v *view) holds(l chaos.Limit) (chaos.Verdict, reading) {
	w := v.window(l.Phase)
	x := v.metric(l.Metric, l.Class, l.Edge, w, fromDue)
	kept := func(x reading) bool { return x.value != nil && *x.value >= l.Min && *x.value <= l.Max }
	switch {
	case x.value == nil && l.Metric == "amplification" && x.n == 0 && v.untraced(l) == "" && v.ended && len(v.m.due(w)) > 0:
		// Nobody called over the edge, as behind an open breaker: nothing was amplified.
		return chaos.Pass, x
	case x.value == nil:
		return chaos.Inconclusive, x
	case kept(x):
		return chaos.Pass, x
	case kept(v.metric(l.Metric, l.Class, l.Edge, w, fromSent)), v.lateFor(l) != "":
		return chaos.Inconclusive, x
	}
	return chaos.Fail, x
}

// lateFor says how far the generator fell behind where a limit is measured;
// empty: it did not.
func (v *view) lateFor(l chaos.Limit) string {
	if l.Metric != "recovery" {
		return v.lateIn(cmp.Or(l.Phase, "fault"))
	}
	late := v.lateIn("after")
	for _, b := range v.comebacks() {
		if b.at < v.lifted { // it lasts through a part of the fault phase
			late = cmp.Or(late, v.lateIn("fault"))
		}
	}
	return late
}

// untraced says why the calls that a limit speaks of left no traces.
func (v *view) untraced(l chaos.Limit) string {
	if l.Metric != "amplification" && l.Metric != "traffic" {
		return ""
	}
	return v.m.untraced(l.Edge)
}

// blame names the site of a broken limit, with an example trace: the edge it
// speaks of, or where most of the bad requests of its phase failed first.
func (v *view) blame(l chaos.Limit) (site, trace string, n int) {
	if hs := v.hopsIn(v.measured(l)); len(hs) > 0 {
		site, trace, n = hs[0].Site, hs[0].Example, hs[0].Count
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
	if why := v.m.rec.Plan.Lacks["traces"]; why != "" && from == topology.Loader {
		return "customers saw it at " + to + "; whose fault it was cannot be told (" + noData("traces", why) + ")"
	}
	for _, name := range v.victims() {
		if to == name {
			return fmt.Sprintf("%s did not tolerate the loss of %s (%s)", from, to, site)
		}
	}
	return "most failed first at " + site
}

// victims returns the services whose instances, or links, were harmed.
func (v *view) victims() []string {
	var names []string
	for _, f := range v.faults {
		for _, in := range f.Instances {
			names = append(names, serviceOf(in))
		}
		for _, l := range f.Links {
			names = append(names, serviceOf(l.To))
		}
	}
	return names
}

// serviceOf names the service of an instance: they are called service-N.
func serviceOf(instance string) string {
	if i := strings.LastIndexByte(instance, '-'); i >= 0 {
		return instance[:i]
	}
	return instance
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
	var worst loadgen.Request
	for _, r := range v.m.due(v.measured(l)) {
		if (l.Class == "" || r.Class == l.Class) && r.Latency() > worst.Latency() {
			worst = r
		}
	}
	if worst.Latency() == 0 {
		return "", "", false
	}
	site = heaviest(v.m.trace(worst.TraceID))
	return site, collector.TraceID(worst.TraceID).String(), site != ""
}

// aborted holds a breached abort limit against the experiment. A lost lease
// ends an experiment too, and says nothing of the shop.
var aborted = experimentCheck{
	Check: Check{"abort", "goodput never falls below the experiment's own abort limit"},
	judge: func(v *view) []chaos.Finding {
		if detail, was := v.has(chaos.LeaseLost); was {
			return []chaos.Finding{{Verdict: chaos.Inconclusive, Text: "the run lost its lease: " + detail}}
		}
		detail, was := v.has(chaos.Aborted)
		if !was {
			return nil
		}
		f := chaos.Finding{Verdict: chaos.Inconclusive, Mechanism: "abort", Text: "aborted: " + detail}
		if v.lateIn("fault") == "" {
			f.Verdict = chaos.Fail
		}
		f.Site, f.Trace, f.Count = v.blame(chaos.Limit{})
		return []chaos.Finding{f}
	},
}
