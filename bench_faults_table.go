package bedlam

import (
	"fmt"
	"slices"
	"strings"
)

// A benchTarget is a ratio that the relay is held to. Every one of them is so
// made that more is better.
type benchTarget struct {
	name  string
	least float64
	// ratio of one round; false: something that it takes was not measured.
	ratio func(of func(measure, way string) (float64, bool)) (float64, bool)
}

// benchFloor are the smallest times that two proxies are told apart by: what
// the clock and the scheduler make of nothing at all.
const (
	benchFloorAdded = 1.0  // µs that a proxy adds to a request
	benchFloorLate  = 0.05 // ms of a latency's error
)

// What a rule is held to by itself.
const (
	benchMostNarrow = 3.0  // % by which a rate is missed
	benchMostShape  = 10.0 // ms that a rule takes to come or to go
)

// quotient divides a measure of one way by the same of another.
func quotient(measure, above, below string) func(func(string, string) (float64, bool)) (float64, bool) {
	return func(of func(string, string) (float64, bool)) (float64, bool) {
		a, ok := of(measure, above)
		b, also := of(measure, below)
		return a / b, ok && also && b > 0
	}
}

// within divides the most that a measure of the relay's may be by what it is.
func within(most float64, measure string) func(func(string, string) (float64, bool)) (float64, bool) {
	return func(of func(string, string) (float64, bool)) (float64, bool) {
		v, ok := of(measure, benchOurs)
		return most / v, ok && v > 0
	}
}

func benchTargets() []benchTarget {
	all := []benchTarget{
		{"requests/s at 32 connections, bedlam : haproxy", 1, quotient(benchRequestRate, benchOurs, benchHAProxy)},
		{"requests/s at 32 connections, bedlam : direct", 0, quotient(benchRequestRate, benchOurs, benchDirect)},
		{"CPU of such a request, haproxy : bedlam", 0, quotient(benchRequestCPU, benchHAProxy, benchOurs)},
		{"bulk throughput, bedlam : direct", 0.9, quotient(benchBulk, benchOurs, benchDirect)},
		{"bulk throughput, bedlam : haproxy", 0, quotient(benchBulk, benchOurs, benchHAProxy)},
		{"CPU of a MB, haproxy : bedlam", 0, quotient(benchBulkCPU, benchHAProxy, benchOurs)},
		{"added p50 at 1 connection, haproxy : bedlam", 1, func(of func(string, string) (float64, bool)) (float64, bool) {
			direct, ok := of(benchAlone, benchDirect)
			ours, also := of(benchAlone, benchOurs)
			theirs, too := of(benchAlone, benchHAProxy)
			return max(theirs-direct, benchFloorAdded) / max(ours-direct, benchFloorAdded), ok && also && too
		}},
	}
	for _, n := range benchCrowds {
		all = append(all, benchTarget{fmt.Sprintf("mean error of 100 ms at %d connections, toxiproxy : bedlam", n), 2,
			func(of func(string, string) (float64, bool)) (float64, bool) {
				theirs, ok := of(benchLate(n), benchToxiproxy)
				ours, also := of(benchLate(n), benchOurs)
				return max(theirs, benchFloorLate) / max(ours, benchFloorLate), ok && also
			}})
	}
	return append(all,
		benchTarget{"error of 1 MB/s, 3 % : bedlam", 1, within(benchMostNarrow, benchNarrow)},
		benchTarget{"rule applied under 100 connections, 10 ms : bedlam", 1, within(benchMostShape, benchApply)},
		benchTarget{"rule lifted under 100 connections, 10 ms : bedlam", 1, within(benchMostShape, benchLift)})
}

// across returns a value of each round that has it.
func (b FaultsBenchmark) across(value func(of func(measure, way string) (float64, bool)) (float64, bool)) []float64 {
	var all []float64
	for _, round := range b.rounds {
		v, ok := value(func(measure, way string) (float64, bool) {
			v, ok := round[benchKey{measure, way}]
			return v, ok
		})
		if ok {
			all = append(all, v)
		}
	}
	return all
}

// String prints the ratios within the rounds beside their targets, then what
// they are made of.
func (b FaultsBenchmark) String() string {
	var t strings.Builder
	fmt.Fprintf(&t, "%s, %d rounds\n", words(b.Machine), len(b.rounds))
	for _, m := range b.Missing {
		fmt.Fprintln(&t, m)
	}
	fmt.Fprintf(&t, "\n%-66s%10s%14s%14s%10s\n", "within rounds, more is better", "median", "95% at least", "95% at most", "target")
	for _, target := range benchTargets() {
		fmt.Fprintf(&t, "%-66s", target.name)
		all := b.across(target.ratio)
		if len(all) == 0 {
			fmt.Fprintf(&t, "%10s\n", "–")
			continue
		}
		fmt.Fprintf(&t, "%10.2f", median(all))
		least, most, ok := bounds(all)
		if ok {
			fmt.Fprintf(&t, "%14.2f%14.2f", least, most)
		} else {
			fmt.Fprintf(&t, "%14s%14s", "–", "–")
		}
		switch {
		case target.least == 0: // it explains another one
		case ok && least >= target.least:
			fmt.Fprintf(&t, "%10.2f  met", target.least)
		case ok && most < target.least:
			fmt.Fprintf(&t, "%10.2f  missed", target.least)
		default: // by chance it would be on the other side too often
			fmt.Fprintf(&t, "%10.2f  undecided", target.least)
		}
		t.WriteByte('\n')
	}
	fmt.Fprintf(&t, "\n%-66s", "medians")
	for _, w := range b.Ways {
		fmt.Fprintf(&t, "%11s", w)
	}
	t.WriteByte('\n')
	measures := []string{benchRequestRate, benchRequestCPU, benchBulk, benchBulkCPU, benchAlone}
	for _, n := range benchCrowds {
		measures = append(measures, benchLate(n), benchTail(n))
	}
	for _, m := range append(measures, benchNarrow, benchApply, benchLift) {
		fmt.Fprintf(&t, "%-66s", m)
		for _, w := range b.Ways {
			all := b.across(func(of func(string, string) (float64, bool)) (float64, bool) { return of(m, w) })
			if len(all) == 0 {
				fmt.Fprintf(&t, "%11s", "–")
				continue
			}
			fmt.Fprintf(&t, "%11.4g", median(all))
		}
		t.WriteByte('\n')
	}
	return t.String()
}

// bounds returns what a median is at least and at most, each with a confidence
// of 95 %: the highest of the sorted values below which so few lie by chance only
// in one of twenty cases, and the same from above. It takes five values.
func bounds(all []float64) (least, most float64, ok bool) {
	sorted := slices.Sorted(slices.Values(all))
	chance := 1.0 // that exactly k of n values lie below the median, times 2^n
	whole := 1.0
	for range sorted {
		whole *= 2
	}
	below := 0.0
	best := -1
	for k := range sorted {
		if below += chance; below/whole > 0.05 {
			break
		}
		best = k
		chance *= float64(len(sorted)-k) / float64(k+1)
	}
	if best < 0 {
		return 0, 0, false
	}
	return sorted[best], sorted[len(sorted)-1-best], true
}
