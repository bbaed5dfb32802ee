package loadgen

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// The arrival processes.
const (
	Poisson  = "poisson"  // customers who know nothing of one another: bursts and gaps
	Constant = "constant" // evenly spaced, for calibration
)

// Arrivals says when journeys arrive.
type Arrivals interface {
	// Next returns when the next journey is due, counted from the beginning of
	// the load. It never decreases.
	Next() time.Duration
}

// NewArrivals returns the arrivals of a kind, poisson or constant, at rate
// journeys a second. The same kind, seed and rate give the same stream, of
// which a shorter run consumes a prefix.
func NewArrivals(kind string, seed uint64, rate float64) (Arrivals, error) {
	// A million a second is far beyond one process; it keeps the gaps well
	// above the clock's nanosecond.
	if !(rate > 0 && rate <= 1e6) {
		return nil, fmt.Errorf("rate %v: want more than 0 and at most 1e6 journeys a second", rate)
	}
	switch kind {
	case Poisson:
		return &poisson{draw: rand.New(rand.NewPCG(stream(seed, "arrivals", 0))), rate: rate}, nil
	case Constant:
		return &constant{rate: rate}, nil
	}
	return nil, fmt.Errorf("arrivals %q: want %s or %s", kind, Poisson, Constant)
}

type constant struct {
	n    float64
	rate float64
}

// Next multiplies instead of adding, so that rounding does not build up.
func (c *constant) Next() time.Duration {
	t := c.n / c.rate
	c.n++
	return seconds(t)
}

type poisson struct {
	draw *rand.Rand
	at   float64
	rate float64
}

func (p *poisson) Next() time.Duration {
	p.at += p.draw.ExpFloat64() / p.rate
	return seconds(p.at)
}

func seconds(s float64) time.Duration { return time.Duration(math.Round(s * 1e9)) }

// stream derives the two words that seed a PCG from a seed, what the stream is
// for and which of its kind it is, so that neighbours have nothing in common.
func stream(seed uint64, use string, n uint64) (uint64, uint64) {
	h := uint64(14695981039346656037) // FNV-1a's offset and, below, its prime
	for i := range len(use) {
		h = (h ^ uint64(use[i])) * 1099511628211
	}
	a := scatter(seed ^ h)
	return scatter(a ^ n), scatter(a + n + 0x9e3779b97f4a7c15)
}

// scatter is the finisher of SplitMix64: one bit in flips half of those out.
func scatter(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
