package experiments

import (
	"math"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
)

// margin reads how much worse than its control a run may be.
func (d decoder) margin(n *yaml.Node) (chaos.Margin, error) {
	m := chaos.Margin{}
	var most, times *float64
	err := d.keys(n, "a margin", map[string]func(*yaml.Node) error{
		"name": d.into(&m.Metric),
		"arguments": func(n *yaml.Node) error {
			return d.keys(n, "a margin's arguments", map[string]func(*yaml.Node) error{
				"phase": d.into(&m.Phase), "class": d.into(&m.Class), "edge": d.into(&m.Edge),
			})
		},
		"most":  d.into(&most),
		"times": d.into(&times),
	})
	if err != nil {
		return m, err
	}
	if err := d.place(n, m.Metric, &m.Phase, m.Class, m.Edge); err != nil {
		return m, err
	}
	switch {
	case (most == nil) == (times == nil):
		return m, d.errorf(n, "a margin has most, in the metric's unit, or times, a ratio: one of them")
	case most != nil:
		m.Most = *most
	default:
		m.Times = *times
	}
	switch {
	case m.Phase == "baseline":
		return m, d.errorf(n, "a margin speaks of the phase fault or after: in the baseline nothing differs")
	case math.IsNaN(m.Most) || math.IsInf(m.Most, 0) || m.Most < 0:
		return m, d.errorf(n, "most is %v, want 0 or more", m.Most)
	case times != nil && (!(m.Times >= 1) || math.IsInf(m.Times, 0)):
		return m, d.errorf(n, "times is %v, want 1 or more", m.Times)
	case times != nil && m.Metric == "recovery":
		return m, d.errorf(n, "recovery takes most and not times: without a fault there is nothing to recover from")
	}
	if m.Metric == "recovery" {
		m.Phase = ""
	}
	return m, nil
}

// place checks what a probe or a margin speaks of, and fills in the phase.
func (d decoder) place(n *yaml.Node, metric string, phase *string, class, edge string) error {
	known := func(m chaos.Metric) bool { return m.Name == metric }
	if !slices.ContainsFunc(chaos.Metrics, known) {
		var names []string
		for _, m := range chaos.Metrics {
			names = append(names, m.Name)
		}
		return d.errorf(n, "unknown probe %q (want one of %s)", metric, strings.Join(names, ", "))
	}
	switch {
	// What a metric does not look at would be taken for something that it does.
	case edge != "" && metric != "amplification" && metric != "traffic":
		return d.errorf(n, "%s is no metric of an edge: only amplification and traffic take one", metric)
	case class != "" && (metric == "amplification" || metric == "traffic" || metric == "recovery"):
		return d.errorf(n, "%s takes no class", metric)
	case *phase != "" && metric == "recovery":
		return d.errorf(n, "recovery takes no phase: it has a time of its own")
	}
	if *phase == "" {
		*phase = "fault"
	}
	if !slices.Contains([]string{"baseline", "fault", "after"}, *phase) {
		return d.errorf(n, "unknown phase %q (want baseline, fault or after)", *phase)
	}
	if class != "" && !slices.Contains(loadgen.Classes, class) {
		return d.errorf(n, "unknown class %q (want one of %s)", class, strings.Join(loadgen.Classes, ", "))
	}
	return nil
}
