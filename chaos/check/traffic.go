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
	if due = len(m.due(w)); due == 0 {
		return 0, 0
	}
	began := 0
	for name, n := range m.flow(w) {
		if edge == "" || name == edge {
			began += n
		}
	}
	return float64(began) / float64(due), due
}

// flow counts the attempts and statements that began in a window for customers,
// by edge; each window once.
func (m *meter) flow(w chaos.Window) map[string]int {
	if f, ok := m.flows[w]; ok {
		return f
	}
	f := map[string]int{}
	m.flows[w] = f
	if w.To <= w.From || m.rec.Spans == nil {
		return f
	}
	byPair := map[[2]string]int{}
	from, to := m.moment(w.From), m.moment(w.To)
	m.rec.Spans.Between(from, to, func(s collector.Span) bool {
		if s.Kind == collector.Client && !s.Start.Before(from) && s.Start.Before(to) && sent(s) && !m.surging[s.Trace] {
			byPair[[2]string{s.Service, s.Peer}]++
		}
		return true
	})
	for pair, n := range byPair {
		if e, known := m.edges[pair]; known {
			f[e.Name()] = n
		}
	}
	return f
}
