package check

import (
	"fmt"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/stats"
)

// withinRuns compares one run with one, by the intervals that each has of its
// own figure.
func withinRuns(row *chaos.ComparedRow, before, now chaos.Row) {
	phase := 1
	if row.Phase == "after" {
		phase = 2
	}
	then, here := estimate(before, phase), estimate(now, phase)
	if then == nil || here == nil {
		return
	}
	d := stats.Difference(*here, *then)
	if row.Metric == "goodput" {
		d = stats.Difference(*then, *here)
	}
	row.N, row.Before, row.Now = now.N[phase], &then.Value, &here.Value
	settle(row, d.Value, d.Interval, d.Beyond(row.Bound, confidence))
	if d.Hi <= row.Bound {
		row.Verdict = chaos.Pass
	}
}

// estimate is a row's figure in a phase; nil without an interval.
func estimate(r chaos.Row, phase int) *stats.Estimate {
	x, i := []*float64{r.Baseline, r.Fault, r.After}[phase], r.Intervals[phase]
	if x == nil || i == nil {
		return nil
	}
	return &stats.Estimate{Value: *x, Interval: stats.Interval{Lo: i.Lo, Hi: i.Hi}}
}

// overRuns compares the runs of two comparisons: how much worse they were than
// their controls, or how far past a limit.
func overRuns(row *chaos.ComparedRow, before, now *chaos.Comparison) {
	find := func(c *chaos.Comparison, kind string) *chaos.ComparedRow {
		for i, r := range c.Rows {
			if r.Kind == kind && !r.Ratio && r.Experiment == row.Experiment && r.Metric == row.Metric && r.Class == row.Class &&
				(r.Phase == row.Phase || r.Metric == "recovery") {
				return &c.Rows[i]
			}
		}
		return nil
	}
	for _, kind := range []string{"margin", "limit"} {
		then, here := find(before, kind), find(now, kind)
		if then == nil || here == nil || min(len(then.Values), len(here.Values)) < leastRuns {
			continue
		}
		c := stats.Shift(here.Values, then.Values, row.Bound, alarms, 1)
		row.N, row.Before, row.Now = c.N, then.Now, here.Now
		settle(row, c.Median, c.Interval, c.Beyond)
		if c.Within <= alarms {
			row.Verdict = chaos.Pass
		}
		return
	}
}

// leastRuns is how many runs a side needs for an interval of its median.
const leastRuns = 6

func settle(row *chaos.ComparedRow, worse float64, i stats.Interval, p float64) {
	row.Worse, row.Lo, row.Hi, row.P = &worse, &i.Lo, &i.Hi, p
}

// regressed says a row with its figures.
func regressed(r chaos.ComparedRow) string {
	what := strings.TrimSpace(r.Metric + " " + r.Class)
	if r.Phase == "after" {
		what += " after"
	}
	verdict := map[chaos.Verdict]string{chaos.Pass: "no regression", chaos.Fail: "a regression", chaos.Inconclusive: "not told apart"}[r.Verdict]
	return fmt.Sprintf("%s was %s and is %s: worse by %s (%s to %s), tolerated %s: %s", what, figure(r.Metric, *r.Before), figure(r.Metric, *r.Now),
		signed(r.Metric, *r.Worse), signed(r.Metric, *r.Lo), signed(r.Metric, *r.Hi), signed(r.Metric, r.Bound), verdict)
}
