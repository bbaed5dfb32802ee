package stats_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/bedlamlab/bedlam/stats"
)

func samples(r *rand.Rand, n int) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = 100 * r.NormFloat64()
	}
	return x
}

func TestExactIntervalOfAnySample(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOfN(rapid.Float64Range(-1e6, 1e6), 1, 30).Draw(t, "x")
		before := slices.Clone(x)
		i, held := stats.MedianOrder(x, 0.9)
		if m := stats.Median(x); m < slices.Min(x) || m > slices.Max(x) || !i.Has(m) {
			t.Fatalf("median %v of %v, interval %v", m, x, i)
		}
		if held < 0.9 || held > 1 {
			t.Fatalf("it holds with %v", held)
		}
		if !slices.Equal(x, before) {
			t.Fatal("the sample was changed")
		}
	})
}

// A bootstrap's interval lies within the sample's range, holds more with more
// confidence, moves with the sample, and is the same for the same seed.
func TestBootstrapOfAnySample(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(11, 12))
	for range 5 { // each draws 70,000 samples
		x := samples(r, 1+r.IntN(12))
		before := slices.Clone(x)
		wide, narrow := stats.Percentile(x, stats.Median, 0.99, 3), stats.Percentile(x, stats.Median, 0.8, 3)
		if wide.Lo > narrow.Lo || wide.Hi < narrow.Hi || wide.Lo < slices.Min(x) || wide.Hi > slices.Max(x) {
			t.Errorf("%v: 99 %% %v, 80 %% %v", x, wide, narrow)
		}
		if again := stats.Percentile(x, stats.Median, 0.8, 3); again != narrow {
			t.Errorf("the same seed: %v, then %v", narrow, again)
		}
		if b := stats.BCa(x, stats.Mean, 0.9, 3); !(b.Lo <= b.Hi) || b.Lo < slices.Min(x) || b.Hi > slices.Max(x) {
			t.Errorf("%v: BCa %v", x, b)
		}
		if !slices.Equal(x, before) {
			t.Error("the sample was changed")
		}
		moved := slices.Clone(x)
		for i := range moved {
			moved[i] += 1000
		}
		m := stats.Percentile(moved, stats.Median, 0.8, 3)
		if math.Abs(m.Lo-narrow.Lo-1000) > 1e-6 || math.Abs(m.Hi-narrow.Hi-1000) > 1e-6 {
			t.Errorf("moved by 1000: %v, then %v", narrow, m)
		}
	}
}

func TestNothingIsKnownOfNothing(t *testing.T) {
	t.Parallel()
	for name, i := range map[string]stats.Interval{
		"no sample":     stats.Percentile(nil, stats.Mean, 0.95, 1),
		"no figure":     stats.BCa([]float64{1, math.NaN()}, stats.Mean, 0.95, 1),
		"no confidence": stats.Percentile([]float64{1, 2}, stats.Mean, 1, 1),
	} {
		if !math.IsInf(i.Lo, -1) || !math.IsInf(i.Hi, 1) {
			t.Errorf("%s: %v", name, i)
		}
	}
	if i := stats.Wilson(0, 0, 0.95); i != (stats.Interval{Lo: 0, Hi: 1}) {
		t.Errorf("Wilson of nothing: %v", i)
	}
}

func TestWilsonOfAnyCount(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 100_000).Draw(t, "n")
		hits := rapid.IntRange(0, n).Draw(t, "hits")
		i := stats.Wilson(float64(hits), float64(n), 0.95)
		if i.Lo < 0 || i.Hi > 1 || !(i.Lo < i.Hi) || !i.Has(float64(hits)/float64(n)) {
			t.Fatalf("%d of %d: %v", hits, n, i)
		}
		other := stats.Wilson(float64(n-hits), float64(n), 0.95)
		if math.Abs(other.Lo-(1-i.Hi)) > 1e-9 || math.Abs(other.Hi-(1-i.Lo)) > 1e-9 {
			t.Fatalf("misses %v, hits %v: not mirrored", other, i)
		}
		if ten := stats.Wilson(10*float64(hits), 10*float64(n), 0.95); ten.Hi-ten.Lo >= i.Hi-i.Lo {
			t.Fatalf("ten times as many: %v is not narrower than %v", ten, i)
		}
	})
}

func TestHolmOfAnyClaims(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ps := rapid.SliceOfN(rapid.Float64Range(0, 1), 0, 20).Draw(t, "ps")
		before := slices.Clone(ps)
		out := stats.Holm(ps)
		for i := range ps {
			if out[i] < ps[i] || out[i] > min(1, ps[i]*float64(len(ps)))+1e-12 {
				t.Fatalf("%v became %v: not between uncorrected and Bonferroni", ps[i], out[i])
			}
			for j := range ps {
				if ps[i] < ps[j] && out[i] > out[j] {
					t.Fatalf("%v: the order is not kept in %v", ps, out)
				}
			}
		}
		if !slices.Equal(ps, before) {
			t.Fatal("the claims were changed")
		}
	})
}

func TestWorthIsNeverMore(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		of := rapid.SliceOfN(rapid.IntRange(0, 200), 1, 60).Draw(t, "of")
		hits := make([]int, len(of))
		n := 0
		for i := range of {
			hits[i] = rapid.IntRange(0, of[i]).Draw(t, "hits")
			n += of[i]
		}
		if w := stats.Worth(hits, of); w < 0 || w > float64(n)+1e-9 || n > 0 && w == 0 {
			t.Fatalf("%d observations are worth %v", n, w)
		}
	})
}

// How often a comparison is wrong where it is hardest to be right: the true
// median is the margin itself, and both claims would be wrong. The seeds are
// fixed, so that this is a figure and no chance.
func TestCompareIsSeldomWrong(t *testing.T) {
	t.Parallel()
	const rounds, pairs, alpha = 300, 6, 0.05
	r := rand.New(rand.NewPCG(5, 6))
	within, beyond := 0, 0
	for range rounds {
		c := stats.Compare(samples(r, pairs), 0, alpha, 1)
		if c.Within <= alpha {
			within++
		}
		if c.Beyond <= alpha {
			beyond++
		}
	}
	// Twice the level is what a percentile interval of six may cost; a claim
	// by coin would be wrong in half of them.
	if most := int(2 * alpha * rounds); within > most || beyond > most {
		t.Errorf("of %d, %d were wrongly held to be harmless and %d worse (at most %d)", rounds, within, beyond, most)
	}
}
