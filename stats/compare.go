package stats

import (
	"math/rand/v2"
	"slices"
)

// A Comparison says how a sample of differences, one a pair of runs, lies to a
// margin. Differences are counted so that more is worse.
type Comparison struct {
	N      int
	Median float64
	// Interval is the bootstrap's of the median; each of its ends is one-sided,
	// at the level α that it was made with.
	Interval Interval
	// Within is the p-value of "the median is not worse than the margin": small
	// if the interval lies below the margin. Beyond is that of "it is worse".
	Within, Beyond float64
}

// Compare holds the median of paired differences against a margin: the question
// of non-inferiority trials (Schuirmann 1987; ICH E9, section 3.3.2). That no
// difference is found is no answer to it: the interval has to lie below the
// margin, as a whole, for "not worse", and above it for "worse"; else nothing
// is decided. Both p-values are the bootstrap's: the share of the drawn medians
// on the wrong side of the margin, with that of the sample itself added so that
// none is 0 (Davison and Hinkley, Bootstrap Methods, 1997, section 4.2).
//
// With six pairs the lower end lies between the two least differences: the
// chance that all six of a harmless change lie above the margin bounds how often
// it is called worse, 1 in 64 if its true median is the margin itself.
func Compare(differences []float64, margin, alpha float64, seed uint64) Comparison {
	if !usable(differences, 1-alpha) {
		return Comparison{N: len(differences), Interval: unknown, Within: 1, Beyond: 1}
	}
	return against(draws(differences, Median, seed), Comparison{N: len(differences), Median: Median(differences)}, margin, alpha)
}

// Shift is Compare for two samples that no pairs join, as runs of today and of
// last week: of how much the median of now lies above that of before.
func Shift(now, before []float64, margin, alpha float64, seed uint64) Comparison {
	if !usable(now, 1-alpha) || !usable(before, 1-alpha) {
		return Comparison{N: min(len(now), len(before)), Interval: unknown, Within: 1, Beyond: 1}
	}
	r := rand.New(rand.NewPCG(seed, uint64(len(now))))
	a, b := make([]float64, len(now)), make([]float64, len(before))
	d := make([]float64, Resamples)
	for i := range d {
		draw(r, now, a)
		draw(r, before, b)
		d[i] = Median(a) - Median(b)
	}
	slices.Sort(d)
	return against(d, Comparison{N: min(len(now), len(before)), Median: Median(now) - Median(before)}, margin, alpha)
}

// against reads sorted draws of a median.
func against(d []float64, c Comparison, margin, alpha float64) Comparison {
	c.Interval = Interval{quantile(d, alpha), quantile(d, 1-alpha)}
	below, _ := slices.BinarySearch(d, margin)
	upTo := below
	for upTo < len(d) && d[upTo] == margin {
		upTo++
	}
	c.Within = float64(1+len(d)-upTo) / float64(1+len(d)) // the margin itself is kept
	c.Beyond = float64(1+upTo) / float64(1+len(d))
	return c
}
