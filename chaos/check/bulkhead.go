package check

import (
	"fmt"
	"slices"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// bulkheads: no caller has more calls in flight to one callee than its edge
// lets through.
var bulkheads = experimentCheck{
	Check: Check{"bulkheads", "no instance has more calls in flight over an edge than the edge's bulkhead lets through"},
	on:    onFacts,
	needs: "traces",
	judge: func(v *view) []chaos.Finding {
		type side struct{ edge, instance string }
		flying := map[side][]collector.Span{}
		v.eachAttempt(func(s collector.Span) {
			if e, known := v.m.edges[[2]string{s.Service, s.Peer}]; known && e.Policy.Bulkhead > 0 && !kept(s) {
				at := side{e.Name(), s.Instance}
				flying[at] = append(flying[at], s)
			}
		})
		found := offences{}
		for at, spans := range flying {
			p := v.m.edgeNamed(at.edge).Policy
			least := p.Bulkhead
			if p.Hedge > 0 {
				least *= 2
			}
			if s, n := crowded(spans, least); n > least {
				found.add(at.edge, s, fmt.Sprintf("%d at once from %s", n, at.instance))
			}
		}
		return found.findings("bulkhead", 1, func(edge string, _ int, x offence) string {
			return fmt.Sprintf("%s, the bulkhead of %s lets %d through", x.note, edge, v.m.edgeNamed(edge).Policy.Bulkhead)
		})
	},
}

// eachAttempt calls yield for each attempt that overlaps the fault phase or the
// moments before it, of which breakers have a memory.
func (v *view) eachAttempt(yield func(collector.Span)) {
	if v.m.rec.Spans == nil || v.fault.To <= v.fault.From {
		return
	}
	v.m.rec.Spans.Between(v.m.moment(v.fault.From).Add(-around), v.m.moment(v.fault.To), func(s collector.Span) bool {
		if s.Attempt > 0 {
			yield(s)
		}
		return true
	})
}

// crowded returns the most spans that lay side by side, and the one that made
// them so many. With no more spans than least in all, it does not look.
func crowded(spans []collector.Span, least int) (worst collector.Span, most int) {
	if len(spans) <= least {
		return worst, 0
	}
	slices.SortFunc(spans, byStart)
	ends := make([]time.Time, len(spans))
	for i, s := range spans {
		ends[i] = s.End
	}
	slices.SortFunc(ends, time.Time.Compare)
	over := 0
	for i, s := range spans {
		for over < len(ends) && !ends[over].After(s.Start) {
			over++
		}
		if n := i + 1 - over; n > most {
			worst, most = s, n
		}
	}
	return worst, most
}
