package check

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

const (
	// fewGaps is how many pauses of one edge tell whether they were drawn as
	// its policy says; with fewer, chance could draw them all short.
	fewGaps = 20
	// byChance is the chance of accusing an edge that draws its pauses right:
	// one in a million, so that thousands of runs of dozens of edges see none.
	byChance = 1e-6
	// noPause is shorter than any pause that somebody chose, and longer than
	// going round a loop takes, on a slow machine too.
	noPause = 2 * time.Millisecond
	// hotLoop is how many calls in a row, each right after the one before had
	// failed, make a loop without a pause.
	hotLoop = 5
	// spread is the least coefficient of variation of pauses that are drawn: a
	// pause drawn between nothing and all of it has 0.58, between half and all 0.19.
	spread = 0.1
)

// backoff: who asks again waits before, longer each time, and not in step with
// the others.
var backoff = experimentCheck{
	Check: Check{"backoff", "attempts of a call are as far apart as its edge says, further each time and not in step, and no loop asks again without a pause"},
	on:    onFacts,
	needs: "traces",
	judge: func(v *view) []chaos.Finding {
		return append(hurried(v), hot(v)...)
	},
}

// hurried finds edges whose pauses between attempts are too short or all alike.
func hurried(v *view) []chaos.Finding {
	type place struct {
		edge string
		nth  int // before attempt nth+1
	}
	gaps := map[place][]float64{} // as shares of the longest that may be drawn
	example := map[place]collector.Span{}
	for _, w := range v.troubled() {
		for _, t := range w.trials {
			r := t.edge.Policy.Retry
			if r == nil || r.Base <= 0 || t.vague || t.edge.Policy.Hedge > 0 {
				continue
			}
			for i, s := range t.tries[1:] {
				before := t.tries[i]
				p := place{t.edge.Name(), before.Attempt}
				if _, seen := example[p]; !seen {
					example[p] = s
				}
				gaps[p] = append(gaps[p], float64(s.Start.Sub(before.End))/float64(longestPause(*r, before.Attempt)))
			}
		}
	}
	var fs []chaos.Finding
	for _, p := range slices.SortedFunc(maps.Keys(gaps), func(a, b place) int {
		if a.edge != b.edge {
			return map[bool]int{true: -1, false: 1}[a.edge < b.edge]
		}
		return a.nth - b.nth
	}) {
		r := v.m.edgeNamed(p.edge).Policy.Retry
		why := drawn(gaps[p], r.Jitter)
		if why == "" {
			continue
		}
		fs = append(fs, chaos.Finding{Verdict: chaos.Fail, Site: p.edge, Mechanism: "backoff", Count: len(gaps[p]), Trace: example[p].Trace.String(),
			Text: fmt.Sprintf("%d pauses before attempt %d on %s %s, where %s is to be drawn", len(gaps[p]), p.nth+1, p.edge, why, pause(*r, p.nth))})
	}
	return fs
}

// longestPause is the most that may lie, by policy, between the nth attempt
// and the next.
func longestPause(r topology.Retry, nth int) time.Duration {
	d := r.Base.D()
	for range nth - 1 {
		if d *= 2; d >= r.Max.D() {
			break
		}
	}
	if r.Max > 0 {
		d = min(d, r.Max.D())
	}
	return d
}

// pause says what is drawn.
func pause(r topology.Retry, nth int) string {
	most := longestPause(r, nth)
	return fmt.Sprintf("%s to %s", time.Duration(float64(most)*(1-r.Jitter)).Round(time.Millisecond), most)
}

// drawn says what is wrong with pauses, given as shares of the longest, that
// should be drawn evenly from 1-jitter to 1; empty: nothing, or it cannot be
// told. A busy machine only makes pauses longer, so that too many short ones
// are the caller's own doing (Kolmogorov and Smirnov, one-sided).
func drawn(gaps []float64, jitter float64) string {
	n := float64(len(gaps))
	if len(gaps) < fewGaps {
		return ""
	}
	gaps = slices.Sorted(slices.Values(gaps))
	allowed := math.Sqrt(-math.Log(byChance) / (2 * n))
	for i, g := range gaps {
		even := 1.0 // the share of pauses that are as short, when drawn evenly
		switch {
		case g < 1-jitter:
			even = 0
		case jitter > 0 && g < 1:
			even = (g - (1 - jitter)) / jitter
		}
		if float64(i+1)/n-even > allowed {
			return fmt.Sprintf("were too short (half of them below %.0f %% of the longest)", 100*max(0, gaps[len(gaps)/2]))
		}
	}
	// Not in step: some pauses must lie in the lower half of what is drawn,
	// else all callers of an outage come back at once.
	if jitter > 0 && math.Pow(0.5, n) < byChance && gaps[0] > 1-jitter/2 && variation(gaps) < spread {
		return fmt.Sprintf("were all alike (%.0f to %.0f %% of the longest)", 100*gaps[0], 100*gaps[len(gaps)*9/10])
	}
	return ""
}

// variation is the coefficient of variation of the middle of sorted figures:
// single late ones say nothing of how they were drawn.
func variation(xs []float64) float64 {
	xs = xs[:len(xs)*9/10]
	sum, squares := 0.0, 0.0
	for _, x := range xs {
		sum += x
	}
	mean := sum / float64(len(xs))
	for _, x := range xs {
		squares += (x - mean) * (x - mean)
	}
	return math.Sqrt(squares/float64(len(xs))) / mean
}

// hot finds loops that ask again at once: calls about one thing, each a call of
// its own, by a service whose work is a loop.
func hot(v *view) []chaos.Finding {
	found := offences{}
	for _, w := range v.troubled() {
		for _, c := range w.chains() {
			run := 0
			for i, t := range c {
				switch {
				case i > 0 && c[i-1].failed() && !kept(c[i-1].last()) && t.first().Start.Sub(c[i-1].last().End) < noPause:
					run++
				default:
					run = 1
				}
				if run == hotLoop {
					found.add(t.edge.Name(), t.first(), short(t.first().Name))
				}
			}
		}
	}
	return found.findings("backoff", 1, func(edge string, n int, x offence) string {
		return fmt.Sprintf("%s was asked for %s at least %d times in a row without a pause, each right after a failure (%d times)", edge, x.note, hotLoop, n)
	})
}
