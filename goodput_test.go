package bedlam

import (
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/loadgen"
)

// TestAStretchHasAsManyWholeSecondsAsItIsLong, wherever between two seconds it
// begins.
func TestAStretchHasAsManyWholeSecondsAsItIsLong(t *testing.T) {
	var seconds []loadgen.Second
	for i := range 20 {
		seconds = append(seconds, loadgen.Second{From: time.Duration(i) * time.Second, Counts: loadgen.Counts{Due: 100, Good: 100 - i}})
	}
	const three = 3 * time.Second
	for _, c := range []struct {
		from time.Duration
		good int // of the seconds that count
	}{
		{10 * time.Second, 90 + 89 + 88},
		{10*time.Second + time.Nanosecond, 90 + 89 + 88},
		{10*time.Second + 500*time.Millisecond, 90 + 89 + 88},
		{11*time.Second - time.Nanosecond, 90 + 89 + 88},
		{11 * time.Second, 89 + 88 + 87},
	} {
		if good, decided := goodput(seconds, c.from, c.from+three); good != c.good || decided != 300 {
			t.Errorf("from %s: %d good of %d, want %d of 300", c.from, good, decided, c.good)
		}
	}
}
