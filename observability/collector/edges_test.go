package collector_test

import (
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/observability/collector"
)

func TestEdges(t *testing.T) {
	c := start(t, collector.Options{})
	id := 0
	call := func(from, to string, attempt int, ms, took float64, change ...func(*collector.Span)) collector.SpanID {
		id++
		s := collector.Span{Trace: trace(byte(id % 3)), ID: collector.SpanID{1, byte(id >> 8), byte(id)}, Service: from, Kind: collector.Client,
			Peer: to, PeerInstance: to + "-1", Attempt: attempt, Start: at(ms), End: at(ms + took)}
		s.Trace[0] = 1
		for _, f := range change {
			f(&s)
		}
		c.Add(s)
		return s.ID
	}
	failed := func(s *collector.Span) { s.Error = true }
	open := func(s *collector.Span) {
		s.Error, s.PeerInstance, s.Attrs = true, "", map[string]string{"call.breaker": "open"}
	}
	sql := func(s *collector.Span) { s.Attrs = map[string]string{"db.system.name": "postgresql"} }
	for i := range 100 { // 1 … 100 ms
		call("gateway", "catalog", 1, 100+float64(i), float64(i+1))
	}
	call("gateway", "catalog", 2, 150, 200, failed)
	call("gateway", "catalog", 3, 160, 0, open)
	call("gateway", "catalog", 1, 99.9, 500) // started before, still running
	call("gateway", "catalog", 1, 1100, 500) // started after
	query := call("cart", "postgres", 0, 300, 4, failed, sql)
	call("cart", "postgres", 0, 301, 1, sql, func(s *collector.Span) { // the query's own preparation
		s.Parent = query
		s.Trace = trace(byte((id - 1) % 3)) // the query's
		s.Trace[0] = 1
	})
	call("cart", "postgres", 0, 299, 1, failed) // the wait for a connection
	c.Add(                                      // neither is a call of its own
		collector.Span{Trace: trace(9), ID: span(1), Service: "catalog", Kind: collector.Server, Start: at(300), End: at(301)},
		collector.Span{Trace: trace(9), ID: span(2), Service: "catalog", Kind: collector.Client, Start: at(300), End: at(301)},
	)
	ms := func(n float64) time.Duration { return time.Duration(n * float64(time.Millisecond)) }
	want := []collector.EdgeStats{
		{From: "cart", To: "postgres", Calls: 1, First: 1, Errors: 1, P50: ms(4), P99: ms(4)},
		{From: "gateway", To: "catalog", Calls: 102, First: 100, Retries: 2, Errors: 2, Open: 1, P50: ms(51), P99: ms(100)},
	}
	same(t, "edges", c.Edges(at(100), at(1100)), want)
	if got := want[1].Name(); got != "gateway->catalog" {
		t.Errorf("name %q", got)
	}
	// Adjacent windows count each call once.
	calls := 0
	for i := range 40 {
		for _, e := range c.Edges(at(float64(i)*50), at(float64(i+1)*50)) {
			calls += e.Calls
		}
	}
	if calls != 105 {
		t.Errorf("adjacent windows count %d calls, want 105", calls)
	}
	if got := c.Edges(at(5000), at(6000)); len(got) != 0 {
		t.Errorf("an empty window has edges: %v", got)
	}
}
