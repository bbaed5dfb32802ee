package check

import (
	"fmt"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// mostLooked is how many works are looked into for what their fallbacks called
// further down: a fallback that does is found in the first of them.
const mostLooked = 5000

// fallback: what stands in for a service does not need it.
var fallback = experimentCheck{
	Check: Check{"fallback", "what stands in for a failed service does not call it, neither itself nor through another"},
	on:    onFacts,
	needs: "traces",
	judge: func(v *view) []chaos.Finding {
		found := offences{}
		looked := 0
		for _, w := range v.troubled() {
			if !w.request() {
				continue
			}
			for _, t := range w.trials {
				if !t.failed() || !t.edge.Optional && t.edge.Policy.Fallback == "" {
					continue // nothing is to stand in for it
				}
				var spans []collector.Span
				if looked++; looked <= mostLooked {
					spans = v.m.trace(w.span.Trace)
				}
				for _, o := range w.trials {
					switch s := o.first(); {
					case s.Start.Before(t.last().End), o == t:
					case s.Peer == t.edge.To:
						found.add(t.edge.Name(), s, "itself, by "+short(s.Name))
					default:
						if below, calls := callsBelow(spans, o, t.edge.To); calls {
							found.add(t.edge.Name(), below, "through "+s.Peer)
						}
					}
				}
			}
		}
		return found.findings("fallback", 1, func(edge string, n int, x offence) string {
			return fmt.Sprintf("%d times what stands in when %s fails asked the same service once more (%s)", n, edge, x.note)
		})
	},
}

// callsBelow finds a call to a service below a trial's attempts.
func callsBelow(spans []collector.Span, t *trial, service string) (collector.Span, bool) {
	under := map[collector.SpanID]bool{}
	for _, s := range t.tries {
		under[s.ID] = true
	}
	for _, s := range spans { // by start, so that parents come first
		if !under[s.Parent] {
			continue
		}
		under[s.ID] = true
		if s.Attempt > 0 && s.Peer == service {
			return s, true
		}
	}
	return collector.Span{}, false
}
