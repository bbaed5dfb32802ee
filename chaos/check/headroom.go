package check

import (
	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/topology"
)

// headroom is that of the first bottleneck which lasts through an experiment's
// watch, nil without one: what its callers need of it when all of their calls
// are tried as often as under the trigger.
func (v *view) headroom() *chaos.Headroom {
	trigger, _ := v.watched()
	if trigger.To < 0 {
		return nil
	}
	for _, f := range v.faults {
		b, is := v.m.rec.Faults[f.ID].(chaos.Bottleneck)
		if !is || f.Duration > 0 || len(f.Links) == 0 || b.Capacity() <= 0 {
			continue
		}
		h := &chaos.Headroom{Edge: v.edgeOf(f.Links[0]), Capacity: b.Capacity()}
		h.Usual = float64(v.m.amplification(h.Edge, v.baseline).n) / (v.baseline.To - v.baseline.From)
		if x := v.m.amplification(h.Edge, trigger); x.value != nil {
			needed := h.Usual * *x.value / h.Capacity
			h.Attempts, h.Needed = x.value, &needed
		}
		return h
	}
	return nil
}

// edgeOf is the edge that a link is one of.
func (v *view) edgeOf(l topology.Link) string {
	return serviceOf(l.From) + "->" + serviceOf(l.To)
}

// stays: what a trigger has broken comes back when it has gone.
var stays = experimentCheck{
	Check: Check{"stability", "once its trigger is gone, a system of which no more is asked than before does not stay broken"},
	judge: func(v *view) []chaos.Finding {
		s := v.stability()
		if s == nil || s.Class != chaos.Metastable && (v.spec.Watch <= 0 || s.Class != chaos.Unclear) {
			return nil
		}
		f := chaos.Finding{Verdict: chaos.Inconclusive, Mechanism: "stability", Text: s.Text}
		if s.Goodput == nil || *s.Offered > noMore {
			return []chaos.Finding{f} // it was not seen for so long, or has an excuse
		}
		_, of, _ := v.comesBack()
		w := chaos.Window{From: of.at + lookFrom, To: of.at + lookTo}
		if hs := v.hopsIn(w); len(hs) > 0 {
			f.Site, f.Trace, f.Count = hs[0].Site, hs[0].Example, hs[0].Count
		} else if s.Headroom != nil {
			f.Site = s.Headroom.Edge
		}
		if late, n := v.m.lag(w, v.matters("after")); !behind(late, n) {
			f.Verdict = chaos.Fail
		}
		return []chaos.Finding{f}
	},
}
