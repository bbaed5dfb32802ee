package stats_test

import (
	"math"
	"testing"

	"github.com/bedlamlab/bedlam/stats"
)

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if math.Abs(got-want) > within || math.IsNaN(got) {
		t.Errorf("%s is %.4f, want %.4f ± %g", what, got, want, within)
	}
}

func interval(t *testing.T, what string, got stats.Interval, lo, hi, within float64) {
	t.Helper()
	near(t, what+", lower end", got.Lo, lo, within)
	near(t, what+", upper end", got.Hi, hi, within)
}

// The four examples of Newcombe 1998 (the single proportion), table I, method 3,
// and scores of published bug hunts.
func TestWilsonAsPublished(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ hits, n, lo, hi float64 }{
		{81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605}, {0, 20, 0, 0.1611}, {1, 29, 0.0061, 0.1718},
		{36, 36, 0.9036, 1}, {36, 40, 0.7695, 0.9604}, {30, 36, 0.6811, 0.9213}, {7, 13, 0.2914, 0.7679},
	} {
		interval(t, "Wilson", stats.Wilson(c.hits, c.n, 0.95), c.lo, c.hi, 0.00006)
	}
}

// Newcombe 1998 (the difference), table II, method 10.
func TestDifferenceAsPublished(t *testing.T) {
	t.Parallel()
	share := func(hits, n float64) stats.Estimate {
		return stats.Estimate{Value: hits / n, Interval: stats.Wilson(hits, n, 0.95)}
	}
	for _, c := range []struct{ a, of, b, from, lo, hi float64 }{
		{56, 70, 48, 80, 0.0524, 0.3339}, {9, 10, 3, 10, 0.1705, 0.8090}, {6, 7, 2, 7, 0.0582, 0.8062},
		{5, 56, 0, 29, -0.0381, 0.1926}, {0, 10, 0, 20, -0.1611, 0.2775}, {10, 10, 0, 20, 0.6791, 1}, {10, 10, 0, 10, 0.6075, 1},
	} {
		d := stats.Difference(share(c.a, c.of), share(c.b, c.from))
		interval(t, "difference", d.Interval, c.lo, c.hi, 0.00006)
		near(t, "difference", d.Value, c.a/c.of-c.b/c.from, 1e-12)
	}
}

// Against the exact bound, 1 − 0.05^(1/n), which the rule approximates.
func TestRuleOfThreeIsNearTheExactBound(t *testing.T) {
	t.Parallel()
	for _, n := range []int{30, 1000, 1_000_000} {
		exact := 1 - math.Pow(0.05, 1/float64(n))
		if got := stats.RuleOfThree(n); got < exact || got > exact*1.06 {
			t.Errorf("of %d: %g, exactly %g", n, got, exact)
		}
	}
	if stats.RuleOfThree(0) != 1 || stats.RuleOfThree(2) != 1 {
		t.Error("of nothing, everything is possible")
	}
}

// The spatial test data of Efron and Tibshirani 1993, table 14.1: variance of
// 26 children's scores, 90 % intervals of table 14.2. Theirs had 2,000 draws.
func TestBootstrapAsPublished(t *testing.T) {
	t.Parallel()
	scores := []float64{48, 36, 20, 29, 42, 42, 20, 42, 22, 41, 45, 14, 6, 0, 33, 28, 34, 4, 32, 24, 47, 41, 24, 26, 30, 41}
	variance := func(x []float64) float64 {
		mean, sum := stats.Mean(x), 0.0
		for _, v := range x {
			sum += (v - mean) * (v - mean)
		}
		return sum / float64(len(x))
	}
	near(t, "the variance", variance(scores), 171.5, 0.05)
	interval(t, "percentile", stats.Percentile(scores, variance, 0.9, 1), 100.8, 233.9, 4)
	interval(t, "BCa", stats.BCa(scores, variance, 0.9, 1), 115.8, 259.6, 4)
}

// The paired differences of "Student" 1908, hours of sleep: the mean's interval
// is about Student's own (0.70 to 2.46), and the exact one of the median of ten
// lies between the second and the ninth, with 97.9 %.
func TestIntervalsOfSleep(t *testing.T) {
	t.Parallel()
	sleep := []float64{1.2, 2.4, 1.3, 1.3, 0, 1.0, 1.8, 0.8, 4.6, 1.4}
	near(t, "the mean", stats.Mean(sleep), 1.58, 1e-9)
	near(t, "the median", stats.Median(sleep), 1.3, 1e-9)
	interval(t, "BCa of the mean", stats.BCa(sleep, stats.Mean, 0.95, 1), 0.70, 2.46, 0.45)
	got, held := stats.MedianOrder(sleep, 0.95)
	interval(t, "median", got, 0.8, 2.4, 1e-9)
	near(t, "its confidence", held, 0.9785, 0.0001)
}

// The published table of what a sample's range is worth: six are the fewest.
func TestMedianOrderNeedsSix(t *testing.T) {
	t.Parallel()
	if got, _ := stats.MedianOrder([]float64{1, 2, 3, 4, 5}, 0.95); !math.IsInf(got.Lo, -1) || !math.IsInf(got.Hi, 1) {
		t.Errorf("of five: %v, want nothing known", got)
	}
	got, held := stats.MedianOrder([]float64{6, 1, 2, 5, 4, 3}, 0.95)
	interval(t, "of six", got, 1, 6, 0)
	near(t, "its confidence", held, 0.96875, 1e-9)
}

// R's p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") gives these.
func TestHolmAsR(t *testing.T) {
	t.Parallel()
	for i, got := range stats.Holm([]float64{0.01, 0.04, 0.03, 0.005}) {
		near(t, "Holm", got, []float64{0.03, 0.06, 0.06, 0.02}[i], 1e-12)
	}
}

// Stretches of 50 in which all fail or none does are worth one observation each.
func TestWorthOfClusters(t *testing.T) {
	t.Parallel()
	hits, of := make([]int, 40), make([]int, 40)
	for i := range of {
		of[i], hits[i] = 50, 50*(i%2)
	}
	near(t, "40 clusters", stats.Worth(hits, of), 39, 1e-9)
	for i := range hits {
		hits[i] = 25 // as even as can be: more is not gained
	}
	near(t, "even stretches", stats.Worth(hits, of), 2000, 0)
	near(t, "nothing", stats.Worth(nil, nil), 0, 0)
	near(t, "one stretch", stats.Worth([]int{3}, []int{10}), 10, 0)
}

// What a comparison is for: a harmless change is not worse, a harmful one is,
// and few noisy pairs decide nothing.
func TestCompare(t *testing.T) {
	t.Parallel()
	const margin, alpha = 0.005, 0.05
	for _, c := range []struct {
		name           string
		differences    []float64
		within, beyond bool
	}{
		{"six that do not differ", []float64{0, 0, 0, 0, 0, 0}, true, false},
		{"six at the margin itself: it is allowed", []float64{margin, margin, margin, margin, margin, margin}, true, false},
		{"six that differ much", []float64{0.1, 0.12, 0.09, 0.11, 0.1, 0.14}, false, true},
		{"six better ones", []float64{-0.1, -0.12, -0.09, -0.11, -0.1, -0.14}, true, false},
		{"of eight, one far out decides nothing", []float64{0, 0, 0, 0, 0, 0, 0, 1}, true, false},
		{"of six, one far out asks for more", []float64{0, 0, 0, 0, 0, 1}, false, false},
		{"around the margin", []float64{0.001, 0.009, 0.002, 0.012, 0.004, 0.006}, false, false},
		{"no pair", nil, false, false},
		{"a figure that is none", []float64{0, 0, 0, 0, 0, math.NaN()}, false, false},
	} {
		got := stats.Compare(c.differences, margin, alpha, 7)
		if within, beyond := got.Within <= alpha, got.Beyond <= alpha; within != c.within || beyond != c.beyond {
			t.Errorf("%s: within %v (p %.4f), beyond %v (p %.4f), interval %v", c.name, within, got.Within, beyond, got.Beyond, got.Interval)
		}
	}
}

// An interval whose lower end is the margin leaves half of what is outside of it.
func TestBeyond(t *testing.T) {
	t.Parallel()
	e := stats.Estimate{Value: 5, Interval: stats.Interval{Lo: 3, Hi: 9}}
	near(t, "with the margin at the lower end", e.Beyond(3, 0.95), 0.025, 1e-9)
	near(t, "with the margin at the figure", e.Beyond(5, 0.95), 1, 0)
	near(t, "with the margin two widths below", e.Beyond(1, 0.95), 0.0000443, 1e-6)
}

func TestShift(t *testing.T) {
	t.Parallel()
	before := []float64{1, 1.1, 0.9, 1, 1.05, 0.95}
	worse := []float64{3, 3.1, 2.9, 3, 3.05, 2.95}
	if c := stats.Shift(worse, before, 1, 0.05, 1); c.Beyond > 0.05 || c.Within <= 0.05 || math.Abs(c.Median-2) > 1e-9 {
		t.Errorf("two more, one allowed: %+v", c)
	}
	if c := stats.Shift(before, before, 1, 0.05, 1); c.Within > 0.05 || c.Beyond <= 0.05 {
		t.Errorf("the same: %+v", c)
	}
	if c := stats.Shift(nil, before, 1, 0.05, 1); c.Within != 1 || c.Beyond != 1 {
		t.Errorf("nothing: %+v", c)
	}
}
