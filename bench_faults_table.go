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

// What a fault is held to by itself.
const (
	benchMostNarrow  = 3.0   // % by which a rate is missed
	benchMostShape   = 10.0  // ms that a rule of the relay takes to come or to go: single ones
	benchMostPackets = 100.0 // ms that a packet fault takes: tens of them
)

// A benchLimit is how many milliseconds a measure of ours may be.
type benchLimit struct {
	measure string
	most    float64
	packets bool // it takes a network namespace
}

func benchLimits() []benchLimit {
	return []benchLimit{
		{benchApply, benchMostShape, false}, {benchLift, benchMostShape, false},
		{benchPacketApply, benchMostPackets, true}, {benchPacketLift, benchMostPackets, true},
	}
}

// benchMeasures are those that several ways have, in the order in which they
// are printed.
func benchMeasures() []string {
	all := []string{benchRequestRate, benchRequestCPU, benchBulk, benchBulkCPU, benchAlone}
	for _, n := range benchCrowds {
		all = append(all, benchLate(n), benchTail(n))
	}
	return append(all, benchNarrow, benchApply, benchLift)
}

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
	return append(all, benchTarget{"error of 1 MB/s, 3 % : bedlam", 1, within(benchMostNarrow, benchNarrow)})
}

// String prints the ratios within the rounds beside their targets, how long
// faults take to come and to go, which share of what they meet they harm, and
// what the ratios are made of.
func (b FaultsBenchmark) String() string {
	var t strings.Builder
	fmt.Fprintf(&t, "%s, %d rounds\n", words(b.Machine), len(b.rounds))
	for _, m := range b.Missing {
		fmt.Fprintln(&t, m)
	}
	r := b.Result()
	fmt.Fprintf(&t, "\n%-66s%10s%14s%14s%10s\n", "within rounds, more is better", "median", "95% at least", "95% at most", "target")
	for _, row := range r.Ratios {
		fmt.Fprintf(&t, "%-66s", row.Name)
		switch {
		case row.FaultsSpread == nil:
			fmt.Fprintf(&t, "%10s", "–")
		case row.Target == 0:
			fmt.Fprint(&t, row.columns())
		default:
			fmt.Fprintf(&t, "%s%10.2f  %s", row.columns(), row.Target, row.Verdict)
		}
		t.WriteByte('\n')
	}
	fmt.Fprintf(&t, "\n%-56s%10s%10s%14s%14s%10s\n", "apply and lift, less is better", "floor", "median", "95% at least", "95% at most", "at most")
	for _, row := range r.Times {
		fmt.Fprintf(&t, "%-56s", row.Name)
		switch {
		case row.FaultsSpread == nil && row.Why != "":
			fmt.Fprintf(&t, "%10s%10s  cannot be measured here: %s", "–", "–", row.Why)
		case row.FaultsSpread == nil:
			fmt.Fprintf(&t, "%10s%10s", "–", "–")
		default:
			floor := "–"
			if row.Floor != nil {
				floor = fmt.Sprintf("%.2f", *row.Floor)
			}
			fmt.Fprintf(&t, "%10s%s%10.2f  %s", floor, row.columns(), row.Target, row.Verdict)
		}
		t.WriteByte('\n')
	}
	fmt.Fprintf(&t, "\n%-58s%8s%18s%20s\n", "shares, over all rounds", "asked", "seen", "99% by Wilson")
	for _, row := range r.Shares {
		fmt.Fprintf(&t, "%-58s%7.2f%%", row.Name, 100*row.Asked)
		switch {
		case row.Why != "":
			fmt.Fprintf(&t, "%18s%20s  cannot be counted here: %s", "–", "–", row.Why)
		case row.Of == 0:
			fmt.Fprintf(&t, "%18s%20s", "–", "–")
		default:
			fmt.Fprintf(&t, "%18s%20s  %s", fmt.Sprintf("%d of %d", row.Seen, row.Of),
				fmt.Sprintf("%.2f–%.2f%%", 100*row.Least, 100*row.Most), row.Verdict)
		}
		t.WriteByte('\n')
	}
	fmt.Fprintf(&t, "\n%-66s", "medians")
	for _, w := range b.Ways {
		fmt.Fprintf(&t, "%11s", w)
	}
	t.WriteByte('\n')
	for _, m := range benchMeasures() {
		fmt.Fprintf(&t, "%-66s", m)
		for _, w := range b.Ways {
			if v, ok := r.Medians[m][w]; ok {
				fmt.Fprintf(&t, "%11.4g", v)
			} else {
				fmt.Fprintf(&t, "%11s", "–")
			}
		}
		t.WriteByte('\n')
	}
	return t.String()
}

// columns are a median and its bounds, if there are any.
func (s *FaultsSpread) columns() string {
	if s.Least == nil {
		return fmt.Sprintf("%10.2f%14s%14s", s.Median, "–", "–")
	}
	return fmt.Sprintf("%10.2f%14.2f%14.2f", s.Median, *s.Least, *s.Most)
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
