package report

import (
	"fmt"
	"math"
)

// A tick is one labelled place on an axis.
type tick struct {
	At   float64 // in the axis' own unit
	Text string
}

// linear returns an axis' upper end and ticks for values from 0 to most: one,
// two or five times a power of ten apart, about n of them.
func linear(most float64, n int) (top float64, ticks []tick) {
	if !(most > 0) || math.IsInf(most, 0) {
		most = 1
	}
	step := nice(most / float64(n))
	if step < 1 { // half a request is none
		step = 1
	}
	top = math.Ceil(most/step) * step
	for i := 0; float64(i)*step <= top; i++ {
		ticks = append(ticks, tick{float64(i) * step, si(float64(i) * step)})
	}
	return top, ticks
}

// nice rounds up to one, two or five times a power of ten.
func nice(x float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(x)))
	for _, m := range []float64{1, 2, 5} {
		if x <= m*p*1.0000001 { // 0.1 is not quite a tenth
			return m * p
		}
	}
	return 10 * p
}

// si prints a number short enough for an axis.
func si(x float64) string {
	for _, u := range []struct {
		unit float64
		name string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if x >= u.unit {
			return fmt.Sprintf("%.4g", x/u.unit) + u.name
		}
	}
	return fmt.Sprintf("%.4g", x)
}

// decades returns the ends of a logarithmic axis of seconds, in powers of ten,
// and a tick for each whole one. It spans at least two decades, so that the
// noise of a quiet system does not look like a storm, and at most nine.
func decades(least, most float64) (low, high float64, ticks []tick) {
	const finest, longest = -6, 5 // 1 µs, a day and more
	if !(least > 0) || !(most > 0) {
		least, most = 0.001, 0.1
	}
	low, high = math.Floor(math.Log10(least)), math.Ceil(math.Log10(most))
	low, high = min(max(low, finest), longest-2), min(high, longest)
	high = max(high, low+2)
	for p := low; p <= high; p++ {
		s := math.Pow(10, p)
		text := fmt.Sprintf("%g s", s)
		switch {
		case p < -3:
			text = fmt.Sprintf("%.0f µs", 1e6*s)
		case p < 0:
			text = fmt.Sprintf("%.0f ms", 1e3*s)
		}
		ticks = append(ticks, tick{p, text})
	}
	return low, high, ticks
}

// clock returns the ticks of a stretch of time in seconds: at most n.
func clock(from, to float64, n int) []tick {
	const day = 86400
	least := (to - from) / float64(n)
	step := nice(max(1, least/day)) * day
	for _, s := range []float64{1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, day} {
		if s >= least {
			step = s
			break
		}
	}
	var ticks []tick
	for at := math.Ceil(from/step) * step; at <= to; at += step {
		ticks = append(ticks, tick{at, moment(at, to)})
	}
	return ticks
}

// moment prints a time of a run of a given length.
func moment(at, length float64) string {
	s := int(math.Round(at))
	switch {
	case length <= 300:
		return fmt.Sprintf("%d s", s)
	case length <= 3600:
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}
