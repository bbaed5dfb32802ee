package check

import (
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// calls are the attempts over the topology's edges that began in a window, by
// the edge's name. Statements are none: they bear no attempt.
type calls map[string]*attempts

// attempts are those of one edge.
type attempts struct {
	edge       topology.Edge
	all, first int              // that were sent
	excess     []collector.Span // tried more often than the edge allows
	overran    []collector.Span // lasted longer than the edge's timeout
}

// most is how many attempts a call over the edge may have; a hedge doubles
// each.
func most(p topology.Policy) int {
	n := 1
	if p.Retry != nil {
		n = max(n, p.Retry.Attempts)
	}
	if p.Hedge > 0 {
		n *= 2
	}
	return n
}

// calls counts each window once.
func (m *meter) calls(w chaos.Window) calls {
	if c, ok := m.counts[w]; ok {
		return c
	}
	c := calls{}
	m.counts[w] = c
	if w.To <= w.From || m.rec.Spans == nil {
		return c
	}
	from, to := m.moment(w.From), m.moment(w.To)
	byPair := map[[2]string]*attempts{}
	m.rec.Spans.Between(from, to, func(s collector.Span) bool {
		if s.Attempt <= 0 || s.Start.Before(from) || !s.Start.Before(to) {
			return true
		}
		pair := [2]string{s.Service, s.Peer}
		a, ok := byPair[pair]
		if !ok {
			if e, known := m.edges[pair]; known {
				a = &attempts{edge: e}
				c[e.Name()] = a
			}
			byPair[pair] = a
		}
		if a == nil {
			return true // over no edge of the topology
		}
		if sent(s) {
			a.all++
			if s.Attempt == 1 {
				a.first++
			}
		}
		if s.Attempt > most(a.edge.Policy) {
			a.excess = append(a.excess, s)
		}
		if limit := a.edge.Policy.Timeout.D(); limit > 0 && s.Duration() > limit {
			a.overran = append(a.overran, s)
		}
		return true
	})
	return c
}

// sent reports whether an attempt went to anybody: one that finds every breaker
// open has a span too, asks nobody, and would make the others look fewer.
func sent(s collector.Span) bool {
	return s.PeerInstance != "" || s.Attrs["call.breaker"] != "open"
}

// untraced says why the calls over an edge, or over them all, left no traces in
// the record; empty: they did. Our own customers trace what they ask for.
func (m *meter) untraced(edge string) string {
	if strings.HasPrefix(edge, topology.Loader+"->") {
		return ""
	}
	return m.rec.Plan.Lacks["traces"]
}

// amplification is attempts over first attempts, of those that were sent, over
// one edge or over them all.
func (m *meter) amplification(edge string, w chaos.Window) reading {
	if m.untraced(edge) != "" {
		return reading{}
	}
	first, all := 0, 0
	for name, a := range m.calls(w) {
		if edge == "" || name == edge {
			first, all = first+a.first, all+a.all
		}
	}
	if first == 0 {
		return reading{nil, all}
	}
	x := float64(all) / float64(first)
	return reading{&x, first}
}
