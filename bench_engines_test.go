package bedlam

import (
	"strings"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		all  []time.Duration
		want time.Duration
	}{
		{[]time.Duration{7}, 7},
		{[]time.Duration{9, 1}, 1},
		{[]time.Duration{5, 100, 1}, 5},
	} {
		if got := median(c.all); got != c.want {
			t.Errorf("median of %v is %d, want %d", c.all, got, c.want)
		}
	}
}

// TestEnginesTable has an engine that has not told one of the figures.
func TestEnginesTable(t *testing.T) {
	b := EnginesBenchmark{Rounds: 3, Engines: []string{"docker", "process"}}
	for _, v := range []float64{9, 4, 6} {
		b.note("docker", "start", "s", v)
		b.note("process", "start", "s", v/2)
	}
	b.note("process", "memory", "MB", 7)
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 4 || !strings.Contains(lines[0], "3 rounds") || !strings.Contains(lines[1], "docker : process") {
		t.Fatalf("the table:\n%s", b)
	}
	if f := strings.Fields(lines[2]); strings.Join(f, " ") != "start, s 6 3 2.00" {
		t.Errorf("the first row: %q", f)
	}
	if f := strings.Fields(lines[3]); strings.Join(f, " ") != "memory, MB – 7" {
		t.Errorf("the second row: %q", f)
	}
}
