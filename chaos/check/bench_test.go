package check_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/chaos/check"
	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// wide is a golden run with as many requests and spans more; they come by
// time, so that a window can be found.
type wide struct {
	*spanSet
	step time.Duration // between starts
	last time.Duration // the longest span
}

func (w wide) Between(from, to time.Time, yield func(collector.Span) bool) {
	at := func(t time.Time) int {
		return min(len(w.all), max(0, int(t.Sub(start)/w.step)))
	}
	for _, s := range w.all[at(from.Add(-w.last)):at(to.Add(w.step))] {
		if s.Start.Before(to) && s.End.After(from) && !yield(s) {
			return
		}
	}
}

// BenchmarkJudge judges a million requests and three million spans, of which
// one in fifty failed.
func BenchmarkJudge(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprint(n, " requests"), func(b *testing.B) {
			w := golden()
			every := seconds(loadStopped-1) / time.Duration(n)
			for i := range n {
				due := time.Duration(i) * every
				r := loadgen.Request{Journey: uint64(i), Class: loadgen.ClassProduct, Due: due, Sent: due, Done: due + 5e6, Outcome: loadgen.OK, Status: 200, TraceID: w.id()}
				if i%50 == 0 && due > seconds(firstBegun+1) {
					r.Outcome, r.Reason = loadgen.Failed, "http_503"
				}
				w.requests = append(w.requests, r)
			}
			slices.SortFunc(w.requests, func(a, b loadgen.Request) int { return cmp.Compare(a.Due, b.Due) }) // as a history is read
			rec := w.record()
			spans := make([]collector.Span, 0, 3*n)
			for i, r := range w.requests {
				for k, edge := range [][2]string{{"loader", "gateway"}, {"gateway", "catalog"}, {"catalog", "postgres"}} {
					s := collector.Span{Trace: r.TraceID, Service: edge[0], Peer: edge[1], Instance: edge[0] + "-1", PeerInstance: edge[1] + "-1", Kind: collector.Client,
						Start: start.Add(r.Due), End: start.Add(r.Done), Attempt: 1, Error: i%50 == 0}
					s.ID[0], s.ID[1] = 1, byte(k+1)
					if k > 0 {
						s.Parent[0], s.Parent[1] = 1, byte(k)
					}
					spans = append(spans, s)
				}
			}
			set := index(spans)
			rec.Spans = wide{set, seconds(loadStopped-1) / time.Duration(len(spans)), 10 * time.Millisecond}
			b.ResetTimer()
			for range b.N {
				check.Judge(rec)
			}
		})
	}
}
