package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam"
)

// printAblation prints what each mechanism is worth, the worthiest first.
func printAblation(w io.Writer, a bedlam.Ablation) {
	name := func(edge, mechanism string) string { return edge + " without " + mechanism }
	wide := len("whole, again")
	for _, x := range a.Without {
		wide = max(wide, len(name(x.Edge, string(x.Mechanism))))
	}
	fmt.Fprintf(w, "%s, seed %d: what it comes to with one mechanism of one edge off\n\n", a.Experiment, a.Seed)
	fmt.Fprintf(w, "%-*s %10s %10s %10s %6s  %s\n", wide, "", "goodput", "p90", "recovery", "harm", "verdict")
	row := func(name string, b bedlam.Bearing) {
		fmt.Fprintf(w, "%-*s %10s %10s %10s %6d  %s\n", wide, name, share(b.Goodput), seconds(b.P90), seconds(b.Recovery), b.Harm,
			strings.Join(append([]string{b.Verdict.String()}, b.Findings...), "; "))
	}
	row("whole", a.Whole[0])
	row("whole, again", a.Whole[1])
	all := slices.Clone(a.Without)
	slices.SortStableFunc(all, func(x, y bedlam.Ablated) int {
		return cmp.Or(cmp.Compare(y.Harm, x.Harm), cmp.Compare(value(x.Goodput), value(y.Goodput)))
	})
	for _, x := range all {
		row(name(x.Edge, string(x.Mechanism)), x.Bearing)
	}
	fmt.Fprintln(w, "\nOne run each: what differs no more than the two whole runs do is chance.")
}

func value(f *float64) float64 {
	if f == nil {
		return math.Inf(1)
	}
	return *f
}

func share(f *float64) string {
	if f == nil {
		return "–"
	}
	return fmt.Sprintf("%.2f %%", 100**f)
}

func seconds(f *float64) string {
	if f == nil {
		return "–"
	}
	d := time.Duration(*f * float64(time.Second))
	if d < time.Second {
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}
