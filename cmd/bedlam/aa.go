package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/bedlamlab/bedlam"
	"github.com/bedlamlab/bedlam/stats"
)

func aaCommand(code *int) *cobra.Command {
	var o bedlam.Options
	var runs int
	c := &cobra.Command{
		Use:   "aa [NAME|FILE …]",
		Short: "Compare runs that nobody broke, and count the false alarms",
		Long: `Does runs in which nothing is injected, two and two with the same customers,
and compares them as runs with faults are compared: whatever is found to differ
is a false alarm. Prints how often that happened, with the interval of the true
rate. Twelve runs make six comparisons of one run with one, as bedlam run
--baseline does them, and one over six pairs, as bedlam run --pairs 6 does it.
Exit code 1 if it is shown that more than 5 % are false, 3 if nothing could be
compared.`,
		Example: `  bedlam aa
  bedlam aa --runs 48 recommend-down`,
		RunE: func(c *cobra.Command, words []string) error {
			o.Words = words
			p := newProgress(os.Stderr)
			o.Observe = p.show
			r, err := bedlam.AA(c.Context(), o, runs)
			p.done()
			if r.Folder == "" {
				return err
			}
			*code = falseAlarms(os.Stdout, r)
			fmt.Printf("Runs: %s\n", shown(r.Folder))
			return err
		},
	}
	f := c.Flags()
	f.IntVar(&runs, "runs", 12, "how many, an even number; each takes about half a minute and an experiment's length")
	f.StringVar(&o.Engine, "engine", "process", "where the shop runs (see bedlam list engines)")
	f.Uint64Var(&o.Seed, "seed", 1, "of the first two runs; each further two have the next")
	f.Float64Var(&o.Rate, "rate", bedlam.DefaultRate, "journeys a second")
	f.StringVar(&o.Out, "out", "", "the folder of the runs, new or empty (default runs/<time>-seed<seed>-aa)")
	f.StringVar(&o.Shop, "shop", "", "the shop program (default: the one beside this program)")
	return c
}

// mostFalse is the rate of false alarms that a judge may have.
const mostFalse = 0.05

// falseAlarms prints the rates and returns the exit code.
func falseAlarms(w io.Writer, r bedlam.AAReport) int {
	fmt.Fprintf(w, "%d runs in which nothing was injected\n", r.Runs)
	code := exitInconclusive
	for _, line := range []struct {
		what string
		bedlam.Count
	}{{"one run against one", r.Single}, {fmt.Sprintf("over %d pairs", bedlam.LeastPairs), r.Paired}} {
		if line.Of == 0 {
			fmt.Fprintf(w, "  ? %-20s  no comparison\n", line.what)
			continue
		}
		i := stats.Wilson(float64(line.Alarms), float64(line.Of), 0.95)
		mark := "✓"
		if code == exitInconclusive {
			code = exitPass
		}
		if i.Lo > mostFalse {
			mark, code = "✗", exitFail
		}
		fmt.Fprintf(w, "  %s %-20s  %d of %d raised an alarm: %.1f %%, by Wilson's interval %.1f to %.1f %% at 95 %%\n", mark, line.what, line.Alarms, line.Of,
			100*float64(line.Alarms)/float64(line.Of), 100*i.Lo, 100*i.Hi)
	}
	for _, text := range r.Alarms {
		fmt.Fprintf(w, "  · false alarm: %s\n", text)
	}
	for _, text := range r.Unfit {
		fmt.Fprintf(w, "  · not compared: %s\n", text)
	}
	return code
}
