package inventory_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/services/inventory"
)

// BenchmarkHot reserves and sells one product, and only that, from two
// replicas at once: its row is the bottleneck.
func BenchmarkHot(b *testing.B) {
	s := newShop(b, time.Hour)
	var n atomic.Int64
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := n.Add(1)
			order, store := fmt.Sprintf("o-%d", i), s.replicas[i%2]
			if _, err := store.Reserve(b.Context(), order, []inventory.Line{line("P00001", 1)}); err != nil {
				b.Error(err)
			}
			if _, err := store.Commit(b.Context(), order); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orders/s")
}
