// Package stats turns a few runs into statements with an error rate. It knows
// nothing of shops or faults and does no I/O; chance comes in as a seed, so
// that the same numbers give the same statement tomorrow.
//
//	x of n things happened         [Wilson]; none of n: [RuleOfThree]
//	did two shares differ?         [Difference] of two Wilson intervals
//	a median or mean of few runs   [Percentile], [BCa], exactly: [MedianOrder]
//	is it worse by more than m?    [Compare], and [Holm] over many such
//
// The unit is the run: a thousand requests of one run share its machine, its
// moment and its fault, and are no thousand witnesses of how another run fares.
package stats

import (
	"math"
	"slices"
)

// An Interval has both of its ends; an end that nothing bounds is infinite.
type Interval struct {
	Lo, Hi float64
}

// Has reports whether x lies in the interval, its ends included.
func (i Interval) Has(x float64) bool { return i.Lo <= x && x <= i.Hi }

// unknown is the interval that nothing is outside of.
var unknown = Interval{math.Inf(-1), math.Inf(1)}

// A Statistic is a figure of a sample, which it must not keep or change. The
// sample is never empty.
type Statistic func(sample []float64) float64

// Mean is the sample's average.
func Mean(sample []float64) float64 {
	sum := 0.0
	for _, x := range sample {
		sum += x
	}
	return sum / float64(len(sample))
}

// Median is the middle of the sample, of an even number the average of the two
// in the middle.
func Median(sample []float64) float64 {
	s := slices.Clone(sample)
	slices.Sort(s)
	return middle(s)
}

func middle(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// quantile returns the point of a sorted sample below which the share p lies:
// the least element that has at least p of the sample at or below it.
func quantile(sorted []float64, p float64) float64 {
	i := int(math.Ceil(p*float64(len(sorted)))) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

// normal is the standard normal distribution function.
func normal(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }

// z is its inverse: how many standard deviations the share p lies below.
func z(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }

// usable reports whether an interval can be made at all: a sample with figures
// and a confidence between 0 and 1.
func usable(sample []float64, confidence float64) bool {
	return len(sample) > 0 && confidence > 0 && confidence < 1 && !slices.ContainsFunc(sample, math.IsNaN)
}
