package check

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// slack is what an attempt may take longer than its timeout: a cancelled call
// still has to be scheduled, and on a busy machine that takes a while. A
// missing timeout shows in seconds.
const slack = 500 * time.Millisecond

// timeouts: an attempt never lasts longer than its edge's timeout.
var timeouts = experimentCheck{
	Check: Check{"timeouts", "no attempt lasts longer than the timeout of its edge"},
	judge: func(v *view) []chaos.Finding {
		worst := map[string]collector.Span{}
		n := map[string]int{}
		v.attempts(func(e topology.Edge, s collector.Span) {
			if limit := e.Policy.Timeout.D(); limit > 0 && s.Duration() > limit+slack {
				if n[e.Name()]++; s.Duration() > worst[e.Name()].Duration() {
					worst[e.Name()] = s
				}
			}
		})
		var fs []chaos.Finding
		for edge, s := range worst {
			e, _ := v.m.rec.Plan.Topology.Edge(s.Service, s.Peer)
			fs = append(fs, chaos.Finding{Check: "timeouts", Verdict: chaos.Fail, Site: edge, Mechanism: "timeout", Count: n[edge],
				Trace: s.Trace.String(),
				Text: fmt.Sprintf("%d attempts on %s lasted longer than its timeout of %s, the longest %s",
					n[edge], edge, e.Policy.Timeout, s.Duration().Round(time.Millisecond))})
		}
		slices.SortFunc(fs, func(a, b chaos.Finding) int { return cmp.Compare(a.Site, b.Site) })
		return fs
	},
}

// attempts: a call is never tried more often than its edge allows.
var attempts = experimentCheck{
	Check: Check{"retries", "no call is tried more often than its edge allows"},
	judge: func(v *view) []chaos.Finding {
		worst := map[string]collector.Span{}
		n := map[string]int{}
		v.attempts(func(e topology.Edge, s collector.Span) {
			most := 1
			if e.Policy.Retry != nil {
				most = e.Policy.Retry.Attempts
			}
			if s.Attempt > most {
				if n[e.Name()]++; s.Attempt > worst[e.Name()].Attempt {
					worst[e.Name()] = s
				}
			}
		})
		var fs []chaos.Finding
		for edge, s := range worst {
			fs = append(fs, chaos.Finding{Check: "retries", Verdict: chaos.Fail, Site: edge, Mechanism: "retry", Count: n[edge],
				Trace: s.Trace.String(), Text: fmt.Sprintf("a call on %s was tried %d times, more than its policy allows", edge, s.Attempt)})
		}
		slices.SortFunc(fs, func(a, b chaos.Finding) int { return cmp.Compare(a.Site, b.Site) })
		return fs
	},
}

// attempts calls yield for each attempt, over an edge of the topology, that
// began while the experiment's faults were on.
func (v *view) attempts(yield func(topology.Edge, collector.Span)) {
	from, to := v.m.moment(v.fault.From), v.m.moment(v.fault.To)
	v.m.rec.Spans.Between(from, to, func(s collector.Span) bool {
		if s.Attempt == 0 || s.Start.Before(from) {
			return true
		}
		if e, ok := v.m.rec.Plan.Topology.Edge(s.Service, s.Peer); ok {
			yield(e, s)
		}
		return true
	})
}
