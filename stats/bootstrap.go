package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Resamples is how many samples a bootstrap draws. A tail of 1 % then has a
// hundred of them, so that its quantile is known to about a tenth of the tail
// (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 14.3,
// ask for at least 1,000).
const Resamples = 10_000

// draws returns the statistic of that many samples, drawn with replacement,
// ascending.
func draws(sample []float64, of Statistic, seed uint64) []float64 {
	r := rand.New(rand.NewPCG(seed, uint64(len(sample))))
	drawn := make([]float64, len(sample))
	out := make([]float64, Resamples)
	for i := range out {
		draw(r, sample, drawn)
		out[i] = of(drawn)
	}
	slices.Sort(out)
	return out
}

// draw fills into with elements of the sample, each as likely each time.
func draw(r *rand.Rand, sample, into []float64) {
	for i := range into {
		into[i] = sample[r.IntN(len(sample))]
	}
}

// Percentile is the percentile bootstrap interval of a statistic: the middle
// share, confidence, of the statistics of samples drawn from the sample (Efron
// 1979; Efron and Tibshirani 1993, chapter 13). For a median it is nearly the
// interval between two order statistics, of which [MedianOrder] is the exact
// one; of fewer than six runs it is too narrow. Without a sample, or with one
// that holds NaN, nothing is known.
func Percentile(sample []float64, of Statistic, confidence float64, seed uint64) Interval {
	if !usable(sample, confidence) {
		return unknown
	}
	d := draws(sample, of, seed)
	tail := (1 - confidence) / 2
	return Interval{quantile(d, tail), quantile(d, 1-tail)}
}

// BCa is the bias-corrected and accelerated bootstrap interval (Efron, Better
// bootstrap confidence intervals, JASA 82, 1987): Percentile with its two ends
// moved by how far the median of the draws lies from the statistic, and by how
// fast the statistic's spread changes with its value, as leaving out one
// element after another shows. It suits a smooth statistic such as a mean or a
// variance. For a median the second correction means little, since leaving one
// out moves it between two values only; use Percentile.
func BCa(sample []float64, of Statistic, confidence float64, seed uint64) Interval {
	if !usable(sample, confidence) {
		return unknown
	}
	d := draws(sample, of, seed)
	theta := of(slices.Clone(sample))
	below, _ := slices.BinarySearch(d, theta)
	upTo := below
	for upTo < len(d) && d[upTo] == theta {
		upTo++
	}
	bias := z(float64(below+upTo) / 2 / float64(len(d))) // half of those that are equal
	a := acceleration(sample, of)
	tail := (1 - confidence) / 2
	end := func(p float64) float64 {
		moved := bias + z(p)
		q := normal(bias + moved/(1-a*moved))
		if math.IsNaN(q) || math.IsInf(bias, 0) || 1-a*moved <= 0 {
			q = p // too far moved to mean anything: as the percentile interval
		}
		return quantile(d, q)
	}
	return Interval{end(tail), end(1 - tail)}
}

// acceleration is a sixth of the skewness of the statistic's jackknife values.
func acceleration(sample []float64, of Statistic) float64 {
	if len(sample) < 2 {
		return 0
	}
	left := make([]float64, len(sample))
	for i := range sample {
		left[i] = of(slices.Concat(sample[:i], sample[i+1:]))
	}
	mean := Mean(left)
	squares, cubes := 0.0, 0.0
	for _, x := range left {
		squares += (mean - x) * (mean - x)
		cubes += (mean - x) * (mean - x) * (mean - x)
	}
	if squares == 0 {
		return 0
	}
	return cubes / (6 * math.Pow(squares, 1.5))
}

// MedianOrder is the exact interval of a median: the two order statistics that
// hold it with at least that confidence, whatever the distribution is, and the
// confidence that they really have (Thompson 1936; Conover, Practical
// Nonparametric Statistics, section 3.2). Six runs are the fewest whose range
// holds the median with 95 %; of fewer, nothing is known.
func MedianOrder(sample []float64, confidence float64) (Interval, float64) {
	if !usable(sample, confidence) {
		return unknown, 1
	}
	s := slices.Clone(sample)
	slices.Sort(s)
	n := len(s)
	// The k-th from either end misses the median if fewer than k of the sample
	// lie on its side, as that many heads of n coins do.
	best, held := unknown, 1.0
	miss, term := 0.0, math.Exp2(-float64(n))
	for k := 1; k <= (n+1)/2; k++ {
		miss += term
		term *= float64(n-k+1) / float64(k)
		if 1-2*miss < confidence {
			break
		}
		best, held = Interval{s[k-1], s[n-k]}, 1-2*miss
	}
	return best, held
}
