package report

import (
	"math"

	"github.com/bedlamlab/bedlam/chaos"
)

// mostBins is how many steps a chart has at most: more would be finer than a
// screen's dots, and make the page of a long run heavy.
const mostBins = 480

// A bin is some seconds of a run together. Counts are requests per second.
type bin struct {
	From, To                                float64
	Intended, OK, Degraded, Failed, Unknown float64
	P50, P99                                float64 // the worst second's; 0: no samples
}

// bins cuts the stretch [from, to) of a series into equal steps of whole
// seconds. Series whose slices differ in length count as 0 where they end.
func bins(s chaos.Series, from, to float64) []bin {
	n := 0
	for _, l := range []int{len(s.Intended), len(s.OK), len(s.Degraded), len(s.Failed), len(s.Unknown), len(s.P50), len(s.P99)} {
		n = max(n, l)
	}
	first, last := int(max(0, math.Floor(from))), n
	if to < float64(n) {
		last = int(math.Ceil(to))
	}
	if last <= first {
		return nil
	}
	step := int(math.Ceil(nice(float64(last-first) / mostBins)))
	var out []bin
	for i := first; i < last; i += step {
		end := min(i+step, last)
		b := bin{From: float64(i), To: float64(end)}
		for j := i; j < end; j++ {
			b.Intended += at(s.Intended, j)
			b.OK += at(s.OK, j)
			b.Degraded += at(s.Degraded, j)
			b.Failed += at(s.Failed, j)
			b.Unknown += at(s.Unknown, j)
			b.P50 = max(b.P50, at(s.P50, j))
			b.P99 = max(b.P99, at(s.P99, j))
		}
		for _, x := range []*float64{&b.Intended, &b.OK, &b.Degraded, &b.Failed, &b.Unknown} {
			*x /= float64(end - i)
		}
		out = append(out, b)
	}
	return out
}

// at is a number of a slice that may be too short; what is no number, or less
// than nothing, is 0.
func at[N int | float64](s []N, i int) float64 {
	if i >= len(s) || !(float64(s[i]) > 0) || math.IsInf(float64(s[i]), 0) {
		return 0
	}
	return float64(s[i])
}
