package loadgen_test

import (
	"cmp"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/loadgen"
)

func sortRequests(rows []loadgen.Request) {
	slices.SortFunc(rows, func(a, b loadgen.Request) int {
		return cmp.Or(cmp.Compare(a.Journey, b.Journey), cmp.Compare(a.Step, b.Step))
	})
}

func arrivals(t *testing.T, kind string, seed uint64, rate float64, n int) []time.Duration {
	t.Helper()
	a, err := loadgen.NewArrivals(kind, seed, rate)
	if err != nil {
		t.Fatal(err)
	}
	due := make([]time.Duration, n)
	for i := range due {
		due[i] = a.Next()
	}
	return due
}

func TestSameSeedSameArrivals(t *testing.T) {
	for _, kind := range []string{loadgen.Poisson, loadgen.Constant} {
		a, b := arrivals(t, kind, 7, 40, 100), arrivals(t, kind, 7, 40, 10_000)
		if !slices.Equal(a, b[:100]) {
			t.Errorf("%s: a shorter run is no prefix of a longer one", kind)
		}
		if !slices.IsSorted(b) {
			t.Errorf("%s: arrivals go back in time", kind)
		}
	}
	if slices.Equal(arrivals(t, loadgen.Poisson, 7, 40, 10), arrivals(t, loadgen.Poisson, 8, 40, 10)) {
		t.Error("two seeds give the same arrivals")
	}
}

// These figures may change only with a note in the changelog: a run repeats
// across versions by them.
func TestArrivalsGolden(t *testing.T) {
	got := arrivals(t, loadgen.Poisson, 7, 40, 3)
	want := []time.Duration{7527409, 40770685, 58415858}
	if !slices.Equal(got, want) {
		t.Errorf("got %d, want %d", got, want)
	}
	if got, want := arrivals(t, loadgen.Constant, 7, 40, 3), []time.Duration{0, 25e6, 50e6}; !slices.Equal(got, want) {
		t.Errorf("constant: got %v, want %v", got, want)
	}
}

// Of a Poisson process the number in a second has its mean as variance, and a
// gap exceeds its mean with probability 1/e.
func TestPoisson(t *testing.T) {
	const n, rate = 100_000, 40.0
	due := arrivals(t, loadgen.Poisson, 1, rate, n)
	if got := n / due[n-1].Seconds(); math.Abs(got-rate) > 0.5 { // four standard errors
		t.Errorf("%v a second, want %v", got, rate)
	}
	over, last := 0, time.Duration(0)
	for _, d := range due {
		if d-last > 25*time.Millisecond {
			over++
		}
		last = d
	}
	if got := float64(over) / n; math.Abs(got-1/math.E) > 0.007 {
		t.Errorf("%v of the gaps exceed their mean, want %v", got, 1/math.E)
	}
}

// Rounding does not build up: a day later the spacing is still exact.
func TestConstantDoesNotDrift(t *testing.T) {
	const n = 3 * 3600 * 24
	due := arrivals(t, loadgen.Constant, 1, 3, n+1)
	if due[n] != 24*time.Hour {
		t.Errorf("arrival %d is due after %v, want 24h", n, due[n])
	}
}

func TestArrivalsRefuse(t *testing.T) {
	for _, rate := range []float64{0, -1, math.NaN(), math.Inf(1), 1e7} {
		if _, err := loadgen.NewArrivals(loadgen.Poisson, 1, rate); err == nil {
			t.Errorf("a rate of %v is taken", rate)
		}
	}
	if _, err := loadgen.NewArrivals("uniform", 1, 1); err == nil {
		t.Error("an unknown kind is taken")
	}
}
