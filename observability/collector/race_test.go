package collector_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/observability/collector"
)

// Everything at once, for the race detector; and nothing is lost by it.
func TestEverythingAtOnce(t *testing.T) {
	dir := t.TempDir()
	c := start(t, collector.Options{Dir: dir})
	const writers, traces = 4, 60
	var writing, asking sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for n := range traces {
				spans := shopTrace(w*traces + n)
				switch n % 3 {
				case 0:
					c.Add(spans...)
				case 1:
					post(t, c.URL()+"/v1/traces", "application/x-protobuf", "", collector.EncodeForTest(spans))
				default:
					post(t, c.URL()+"/v1/traces", "application/x-protobuf", "gzip", collector.EncodeForTest(spans))
				}
				post(t, c.URL()+"/v1/metrics", "application/x-protobuf", "", metricsBody(t, float64(n), float64(w)))
			}
		})
	}
	done := make(chan struct{})
	for q := range 3 {
		asking.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				switch q {
				case 0:
					c.Between(at(0), at(1e6), func(s collector.Span) bool { return len(c.Trace(s.Trace)) > 0 && n%2 == 0 })
				case 1:
					c.Edges(at(0), at(1e6))
					c.Metrics()
				default:
					c.Stats()
					if err := c.Sync(); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	writing.Wait()
	close(done)
	asking.Wait()
	want := 0
	for n := range writers * traces {
		if got := c.Trace(shopTrace(n)[0].Trace); len(got) != len(shopTrace(n)) {
			t.Fatalf("trace %d has %d spans", n, len(got))
		}
		want += len(shopTrace(n))
	}
	if err := c.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	s, torn, err := collector.Load(dir)
	if err != nil || len(torn) > 0 || s.Len() != want {
		t.Fatal(fmt.Sprint("loaded ", s.Len(), " of ", want), torn, err)
	}
	same(t, "edges", s.Edges(time.Time{}, at(1e9)), c.Edges(time.Time{}, at(1e9)))
}
