package check

import (
	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// traffic is what went over an edge, or over them all, for each request that
// was due in a window, over the same in the baseline. Statements count, too: a
// store that is asked by everybody at once, because what was kept of it is out
// of date, is asked no more often by any one call.
func (v *view) traffic(edge string, w chaos.Window) reading {
	if v.m.untraced(edge) != "" {
		return reading{}
	}
	usual, n := v.m.perRequest(edge, v.baseline)
	now, due := v.m.perRequest(edge, w)
	if n == 0 || due == 0 || usual == 0 {
		return reading{nil, due}
	}
	x := now / usual
	return reading{&x, due}
}

// perRequest is how many attempts and statements over an edge began in a window
// for each request due in it, and how many of those there were.
func (m *meter) perRequest(edge string, w chaos.Window) (share float64, due int) {
	due = len(m.due(w))
	if due == 0 || w.To <= w.From || m.rec.Spans == nil {
		return 0, due
	}
	from, to, began := m.moment(w.From), m.moment(w.To), 0
	m.rec.Spans.Between(from, to, func(s collector.Span) bool {
		if s.Kind != collector.Client || s.Start.Before(from) || !s.Start.Before(to) || !sent(s) {
			return true
		}
		if e, known := m.edges[[2]string{s.Service, s.Peer}]; known && (edge == "" || e.Name() == edge) {
			began++
		}
		return true
	})
	return float64(began) / float64(due), due
}
