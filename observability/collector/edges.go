package collector

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// EdgeStats says how the calls along one edge went. A call here is what left
// the caller, or would have: an attempt, or what a database was asked for. A
// wait for a free connection is not a call.
type EdgeStats struct {
	From, To string // services
	Calls    int    // in all
	First    int    // first attempts; statements of SQL, which bear no attempt, are all first
	Retries  int    // further attempts
	Errors   int    // calls that failed
	Open     int    // calls that an open breaker kept at home; they are among the errors
	// P50 and P99 are percentiles of how long calls took, as the caller saw
	// it, without those kept at home; 0 without calls.
	P50, P99 time.Duration
}

// Name returns the edge's name, "from->to".
func (e EdgeStats) Name() string { return e.From + "->" + e.To }

// Edges returns how the calls that started in [from, to) went, by edge.
// Adjacent windows count each call once.
//
// The figures are taken from the spans themselves, which is exact and, as
// windows skip what they miss, as fast as a histogram a second would be.
func (s *Store) Edges(from, to time.Time) []EdgeStats {
	p := s.snapshot()
	begin, end := nanos(from), nanos(to)
	type edge struct{ from, to uint32 }
	type tally struct {
		EdgeStats
		took []int64
	}
	edges := map[edge]*tally{}
	known := map[uint32]marks{} // by set of attributes
	p.between(begin, end, func(r *record) bool {
		if r.start < begin || r.kind != Client || r.peer == 0 {
			return true
		}
		m, ok := known[r.attrs]
		if !ok {
			m = p.marks(r.attrs)
			known[r.attrs] = m
		}
		if r.attempt == 0 && (!m.sql || s.within(&p, r)) {
			return true
		}
		e := edges[edge{r.service, r.peer}]
		if e == nil {
			e = &tally{EdgeStats: EdgeStats{From: p.text[r.service], To: p.text[r.peer]}}
			edges[edge{r.service, r.peer}] = e
		}
		e.Calls++
		if r.attempt > 1 {
			e.Retries++
		} else {
			e.First++
		}
		if r.failed {
			e.Errors++
		}
		if m.open {
			e.Open++
		} else {
			e.took = append(e.took, r.end-r.start)
		}
		return true
	})
	all := make([]EdgeStats, 0, len(edges))
	for _, e := range edges {
		slices.Sort(e.took)
		e.P50, e.P99 = percentile(e.took, 0.50), percentile(e.took, 0.99)
		all = append(all, e.EdgeStats)
	}
	slices.SortFunc(all, func(a, b EdgeStats) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
	return all
}

// marks is what a set of attributes says about a call.
type marks struct {
	open bool // a breaker kept it at home
	sql  bool
}

func (p *snapshot) marks(attrs uint32) (m marks) {
	p.eachAttr(attrs, func(key, value string) bool {
		switch key {
		case "call.breaker":
			m.open = value == "open"
		case "db.system.name", "db.system":
			m.sql = true
		}
		return true
	})
	return m
}

// within reports whether a span is a part of another call to the same
// instance, as the preparation of a statement is of its query.
func (s *Store) within(p *snapshot, r *record) bool {
	if r.parent == (SpanID{}) {
		return false
	}
	s.mu.RLock()
	i, ok := s.last[r.trace]
	for ok && int(i) >= p.n { // came after the snapshot
		i = s.blocks[i/blockLen][i%blockLen].before
		ok = i != none
	}
	s.mu.RUnlock()
	for n := 0; ok && n < maxSiblings; n++ {
		c := p.record(int(i))
		if c.id == r.parent {
			return c.kind == Client && c.service == r.service && c.peerInstance == r.peerInstance
		}
		i = c.before
		ok = i != none
	}
	return false
}

// maxSiblings bounds the search for a parent. A request makes some dozens of
// spans; a background loop that puts its whole life into one trace would make
// the search quadratic, and its statements are not prepared again.
const maxSiblings = 1024

// percentile returns the nearest-rank percentile of sorted values.
func percentile(sorted []int64, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return time.Duration(sorted[int(math.Ceil(q*float64(len(sorted))))-1])
}
