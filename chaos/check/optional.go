package check

import (
	"fmt"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// optionals: what is optional may fail.
var optionals = experimentCheck{
	Check: Check{"optional", "no request fails for nothing but the failure of a call that is optional"},
	on:    onFacts,
	needs: "traces",
	judge: func(v *view) []chaos.Finding {
		found := offences{}
		looked := 0
		for _, w := range v.troubled() {
			if !w.request() || !w.span.Error {
				continue
			}
			soft, hard := w.failures()
			if soft == nil || hard {
				continue
			}
			if looked++; looked <= mostLooked && !otherwise(v.m.trace(w.span.Trace), w) {
				found.add(soft.edge.Name(), soft.last(), w.span.Code)
			}
		}
		return found.findings("fallback", 1, func(edge string, n int, x offence) string {
			return fmt.Sprintf("%d requests failed, such as one with %s, for nothing but a failure over %s, which is optional", n, x.note, edge)
		})
	},
}

// failures returns a failed call of a work that is optional, and whether one
// that is not optional failed, or was called off, too.
func (w *work) failures() (soft *trial, hard bool) {
	for _, t := range w.trials {
		switch s := t.decisive(); {
		case !s.Error && s.Code != "CANCELLED" || w.madeGood(t):
		case t.edge.Optional:
			soft = t
		default:
			hard = true
		}
	}
	return soft, hard
}

// otherwise reports whether something else than its calls went wrong below a
// work: a statement, say, or work of its own. A request that was shed, or kept
// out of a bulkhead, says so itself.
func otherwise(spans []collector.Span, w *work) bool {
	if w.span.Attrs["gate.shed"] == "true" || w.span.Attrs["call.bulkhead.full"] != "" || w.span.Code == "504" || w.span.Code == "DEADLINE_EXCEEDED" {
		return true
	}
	for _, s := range spans {
		if s.Parent == w.span.ID && s.Attempt == 0 && s.Error {
			return true
		}
	}
	return false
}
