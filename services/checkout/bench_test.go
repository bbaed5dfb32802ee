package checkout_test

import (
	"fmt"
	"testing"
)

// BenchmarkPlace is one customer at a time against services that answer at
// once: what remains is the checkout's own time, most of it the log's commits.
func BenchmarkPlace(b *testing.B) {
	s := newShop(b, quick)
	client := s.run(1)
	for i := 0; b.Loop(); i++ {
		p := purchase{key: fmt.Sprintf("bench %d", i)}
		s.world.fillCart(p.key)
		got, err := client.Place(b.Context(), p.request())
		if err != nil || got.GetState() != "PAID" {
			b.Fatalf("got %v, %v", got, err)
		}
	}
}
