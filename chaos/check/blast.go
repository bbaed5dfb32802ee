package check

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/observability/collector"
)

const (
	// doubt is the chance of saying that a class suffered that did not.
	doubt = 0.01
	// much is how far the goodput of a class that does not need what was harmed
	// must fall before somebody is accused: less may be the machine they share.
	much = 0.1
	// looks is at how many requests of the baseline it is looked to learn what
	// a class needs.
	looks = 100
)

// A cell is one class of requests, and how it fared in the fault phase.
type cell struct {
	class          string
	n              int // requests
	normal, faulty float64
	suffers        bool // goodput fell below the band, and not by chance
	bystander      bool // it does not need what was harmed
}

// suffering tells for each class whether it suffered, and whether it had to.
func (v *view) suffering() []cell {
	var cells []cell
	var chances []float64
	for _, class := range loadgen.Classes {
		before, during := v.m.sample(v.baseline, class, fromDue), v.m.sample(v.fault, class, fromDue)
		if before.n == 0 || during.n == 0 {
			continue
		}
		c := cell{class: class, n: during.n, normal: float64(before.good) / float64(before.n), faulty: float64(during.good) / float64(during.n)}
		c.bystander = v.bystander(class)
		cells = append(cells, c)
		chances = append(chances, chance(*before, *during))
	}
	order := make([]int, len(cells))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(chances[a], chances[b]), cmp.Compare(a, b)) })
	for rank, i := range order { // Holm: from the least chance on, until one fails
		if chances[i] > doubt/float64(len(order)-rank) {
			break
		}
		cells[i].suffers = cells[i].faulty < cells[i].normal-band
	}
	return cells
}

// chance is that of so few good answers in the second sample if both are alike:
// two proportions, one-sided, with a pooled variance.
func chance(before, during sample) float64 {
	a, b := float64(before.n), float64(during.n)
	p := float64(before.good+during.good) / (a + b)
	if p == 0 || p == 1 {
		return 1
	}
	z := (float64(before.good)/a - float64(during.good)/b) / math.Sqrt(p*(1-p)*(1/a+1/b))
	return math.Erfc(z/math.Sqrt2) / 2
}

// bystander reports whether a class, in the baseline's traces, needs none of
// the services that were harmed. Of one that left no traces it is not known.
func (v *view) bystander(class string) bool {
	var of []loadgen.Request
	for _, r := range v.m.due(v.baseline) {
		if r.Class == class {
			of = append(of, r)
		}
	}
	needs := map[string]bool{}
	for i := range min(looks, len(of)) {
		for _, s := range v.m.trace(of[i*len(of)/min(looks, len(of))].TraceID) {
			needs[s.Service], needs[s.Peer] = true, true
		}
	}
	victims := v.victims()
	delete(needs, "")
	return len(needs) > 1 && len(victims) > 0 && !slices.ContainsFunc(victims, func(name string) bool { return needs[name] })
}

// share is the part of the load that some cells bear.
func share(cells []cell, of func(cell) bool) reading {
	n, part := 0, 0
	for _, c := range cells {
		n += c.n
		if of(c) {
			part += c.n
		}
	}
	if n == 0 {
		return reading{}
	}
	x := float64(part) / float64(n)
	return reading{&x, n}
}

// collateral: who does not need what was harmed is not harmed.
var collateral = experimentCheck{
	Check: Check{"collateral", "requests that do not need what was harmed do not suffer"},
	judge: func(v *view) []chaos.Finding {
		var fs []chaos.Finding
		for _, c := range v.suffering() {
			if !c.suffers || !c.bystander || c.normal-c.faulty < much {
				continue
			}
			f := chaos.Finding{Verdict: chaos.Fail, Mechanism: "bulkhead", Text: fmt.Sprintf(
				"goodput of %s, which does not need what was harmed, fell from %s to %s", c.class, figure("goodput", c.normal), figure("goodput", c.faulty))}
			for _, r := range v.m.due(v.fault) {
				if r.Class != c.class || good(r) {
					continue
				}
				f.Count++
				if f.Site != "" {
					continue
				}
				f.Site, f.Trace = loadgenSite, collector.TraceID(r.TraceID).String()
				if h, ok := collector.FirstFailingHop(v.m.trace(r.TraceID)); ok {
					f.Site = h.Site
				}
			}
			fs = append(fs, f)
		}
		return v.unlessLate("fault", fs)
	},
}
