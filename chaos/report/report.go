// Package report says a judgement to people and programs: [Terminal] to a
// person who waited, [HTML] to one who wants to look closer, [Markdown] to a
// pull request, [JUnit] to a CI server and [JSON] to everything else. All of
// them say the verdict first.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
)

// dash stands for a figure that the samples do not allow.
const dash = "–"

// JSON writes the result as result.json holds it.
func JSON(w io.Writer, r chaos.Result) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// figure prints a value in its unit.
func figure(x *float64, unit string) string {
	if x == nil {
		return dash
	}
	switch unit {
	case "share":
		return fmt.Sprintf("%.2f %%", 100*(*x))
	case "s":
		return duration(*x)
	case "x":
		return fmt.Sprintf("%.2f×", *x)
	}
	return fmt.Sprintf("%.0f", *x)
}

// duration prints seconds so that three digits say something.
func duration(s float64) string {
	switch {
	case s == 0:
		return "0 s"
	case s < 0.01:
		return fmt.Sprintf("%.2f ms", 1000*s)
	case s < 1:
		return fmt.Sprintf("%.0f ms", 1000*s)
	case s < 100:
		return fmt.Sprintf("%.1f s", s)
	}
	return time.Duration(s * float64(time.Second)).Round(time.Second).String()
}

// sentence says the whole run in one.
func sentence(r chaos.Result) string {
	n := map[chaos.Verdict]int{}
	for _, e := range r.Experiments {
		n[e.Verdict]++
	}
	return fmt.Sprintf("%d of %d experiments passed, %d failed, %d inconclusive", n[chaos.Pass], len(r.Experiments), n[chaos.Fail], n[chaos.Inconclusive])
}

// origin says where and how the run was made.
func origin(r chaos.Result) string {
	s := fmt.Sprintf("seed %d, engine %s, %g journeys/s, %s, %s/%s with %d CPUs", r.Seed, r.Engine, r.Load.Rate,
		r.Started.UTC().Format("2006-01-02 15:04 UTC"), r.Machine.OS, r.Machine.Arch, r.Machine.CPUs)
	if r.Commit != "" {
		s += ", commit " + r.Commit[:min(12, len(r.Commit))]
	}
	return s
}
