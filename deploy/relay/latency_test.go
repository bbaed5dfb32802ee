package relay

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

// Each distribution has the mean, the deviation and the correlation that were
// asked for. The draws are seeded, so the figures never change.
func TestDistributions(t *testing.T) {
	const mean, jitter, n = 100.0, 10.0, 200_000 // ms, ms, draws
	for _, test := range []struct {
		name      string
		deviation float64 // ms
		tolerance float64 // of the deviation, as a share; pareto's tail of third power converges slowly
	}{
		{"uniform", jitter / math.Sqrt(3), 0.02},
		{"normal", jitter, 0.02},
		{"pareto", jitter, 0.15},
		{"paretonormal", jitter, 0.15},
	} {
		for _, correlation := range []float64{0, 50} {
			t.Run(fmt.Sprintf("%s/%v", test.name, correlation), func(t *testing.T) {
				args := fmt.Sprintf(`{"latency":"100ms","jitter":"10ms","correlation":%v,"distribution":%q}`, correlation, test.name)
				h, err := decodeLatency(deploy.Rule{Args: json.RawMessage(args)})
				if err != nil {
					t.Fatal(err)
				}
				d := &delay{latency: h.(latency), draw: draws(1, topology.Link{From: "a", To: "b"}, 1, deploy.To)}
				xs := make([]float64, n)
				var sum float64
				for i := range xs {
					xs[i] = float64(d.next()) / float64(time.Millisecond)
					if test.name == "uniform" && math.Abs(xs[i]-mean) > jitter {
						t.Fatalf("a delay of %v ms strays beyond the jitter", xs[i])
					}
					sum += xs[i]
				}
				m := sum / n
				var square, lag float64
				for i := range xs {
					square += (xs[i] - m) * (xs[i] - m)
					if i > 0 {
						lag += (xs[i] - m) * (xs[i-1] - m)
					}
				}
				if math.Abs(m-mean) > 0.02*mean {
					t.Errorf("mean %.2f ms, want %v", m, mean)
				}
				if got := math.Sqrt(square / n); math.Abs(got-test.deviation) > test.tolerance*test.deviation {
					t.Errorf("deviation %.2f ms, want %.2f", got, test.deviation)
				}
				// Of a skewed or flat distribution the correlation comes out
				// a little smaller than that of the normal numbers behind it.
				switch got := lag / square; {
				case correlation == 0 && math.Abs(got) > 0.02,
					correlation == 50 && (got < 0.3 || got > 0.52) && test.name != "paretonormal",
					correlation == 50 && got < 0.2:
					t.Errorf("correlation %.2f", got)
				}
			})
		}
	}
}

// No delay is negative, however large the jitter.
func TestDelayIsNeverNegative(t *testing.T) {
	h, err := decodeLatency(deploy.Rule{Args: json.RawMessage(`{"latency":"1ms","jitter":"50ms","distribution":"normal"}`)})
	if err != nil {
		t.Fatal(err)
	}
	d := &delay{latency: h.(latency), draw: draws(1, topology.Link{}, 1, deploy.To)}
	for range 10_000 {
		if w := d.next(); w < 0 || w > 501*time.Millisecond {
			t.Fatalf("delay %v", w)
		}
	}
}

func TestRegisterTwicePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a second latency was registered")
		}
	}()
	register(Kind{Name: "latency"}, decodeLatency)
}
