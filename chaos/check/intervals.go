package check

import (
	"math"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/stats"
)

// confidence of the intervals that a run has of its own figures.
const confidence = 0.95

// interval says between what a figure of a window may lie, by what the seconds
// of the window tell; nil where they tell nothing. Requests of one second fail
// together, so that they count for as many as the seconds differ ([stats.Worth]).
// What another run would have brought is another question, for which there are
// pairs.
func (v *view) interval(metric, class string, w chaos.Window) *chaos.Interval {
	counts := func(hit func(loadgen.Request) bool) (hits, n float64, worth float64) {
		per, of := seconds(w), seconds(w)
		for _, r := range v.m.due(w) {
			if i := int(r.Due.Seconds() - w.From); (class == "" || r.Class == class) && i >= 0 && i < len(of) {
				of[i]++
				n++
				if hit(r) {
					per[i]++
					hits++
				}
			}
		}
		return hits, n, stats.Worth(per, of)
	}
	share := func(hit func(loadgen.Request) bool, scale func(n float64) float64) *chaos.Interval {
		hits, n, worth := counts(hit)
		if n == 0 {
			return nil
		}
		i := stats.Wilson(hits/n*worth, worth, confidence)
		return &chaos.Interval{Lo: i.Lo * scale(n), Hi: i.Hi * scale(n)}
	}
	one := func(float64) float64 { return 1 }
	switch metric {
	case "goodput":
		return share(good, one)
	case "failed":
		return share(func(r loadgen.Request) bool { return !r.Good() }, one)
	case "degraded":
		return share(func(r loadgen.Request) bool { return r.Outcome == loadgen.Degraded }, one)
	case "lost":
		return share(func(r loadgen.Request) bool { return !good(r) }, func(n float64) float64 { return n })
	}
	q, ok := percentiles[metric]
	if !ok {
		return nil // of calls and of times there is one figure a run
	}
	s := v.m.sample(w, class, fromDue)
	x := s.percentile(q)
	if x.value == nil {
		return nil
	}
	// A percentile lies where the share below it lies.
	below, n, worth := counts(func(r loadgen.Request) bool { return r.Latency().Seconds() <= *x.value })
	ranks := stats.Wilson(below/n*worth, worth, confidence)
	at := func(p float64) float64 {
		return s.latencies[min(max(int(math.Ceil(p*float64(s.n)))-1, 0), s.n-1)]
	}
	return &chaos.Interval{Lo: at(ranks.Lo), Hi: at(ranks.Hi)}
}

// seconds are the whole or begun seconds of a window.
func seconds(w chaos.Window) []int {
	return make([]int, int(math.Ceil(min(longest, max(0, w.To-w.From)))))
}
