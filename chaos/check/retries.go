package check

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// retries: a call is never tried more often than its edge allows.
var retries = experimentCheck{
	Check: Check{"retries", "no call is tried more often than its edge allows"},
	on:    onFacts,
	needs: "traces",
	judge: func(v *view) []chaos.Finding {
		return v.perEdge(func(a *attempts) *chaos.Finding {
			worst, n := worst(a.excess, func(s collector.Span) int { return s.Attempt })
			if n == 0 {
				return nil
			}
			return &chaos.Finding{Mechanism: "retry", Count: n, Trace: worst.Trace.String(),
				Text: fmt.Sprintf("%d attempts on %s were more than the %d that a call has, the worst its try number %d",
					n, a.edge.Name(), most(a.edge.Policy), worst.Attempt)}
		})
	},
}

// perEdge judges the attempts of each edge in the fault phase.
func (v *view) perEdge(judge func(*attempts) *chaos.Finding) []chaos.Finding {
	var fs []chaos.Finding
	c := v.m.calls(v.fault)
	for _, name := range slices.Sorted(maps.Keys(c)) {
		if f := judge(c[name]); f != nil {
			f.Verdict, f.Site = chaos.Fail, name
			fs = append(fs, *f)
		}
	}
	return fs
}

// worst returns the span with the largest figure, of equal ones the first by
// trace and start, and how many spans there are.
func worst[F cmp.Ordered](spans []collector.Span, figure func(collector.Span) F) (collector.Span, int) {
	if len(spans) == 0 {
		return collector.Span{}, 0
	}
	return slices.MaxFunc(spans, func(a, b collector.Span) int {
		return cmp.Or(cmp.Compare(figure(a), figure(b)), bytes.Compare(b.Trace[:], a.Trace[:]), b.Start.Compare(a.Start), bytes.Compare(b.ID[:], a.ID[:]))
	}), len(spans)
}
