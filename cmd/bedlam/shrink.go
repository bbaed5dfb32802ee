package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/bedlamlab/bedlam"
	"github.com/bedlamlab/bedlam/chaos/shrink"
)

func shrinkCommand() *cobra.Command {
	var o bedlam.ShrinkOptions
	c := &cobra.Command{
		Use:   "shrink RUN",
		Short: "Reduce a failing experiment to the smallest that fails the same way",
		Long: `Takes the folder of a run that failed and runs its experiment again and again
with fewer steps, fewer victims, shorter and milder, for as long as the same
check finds the same fault at the same place. What is left is written as an
experiment of your own. Each candidate is kept in the run's folder: a reduction
that was cut short, or had no runs left, goes on where it was.`,
		Example: `  bedlam shrink runs/2026-01-31T10-15-04-seed7
  bedlam shrink --experiment recommend-down --runs 10 runs/2026-01-31T10-15-04-seed7`,
		Args: args(1, 1, "one folder"),
		RunE: func(c *cobra.Command, words []string) error {
			p := newProgress(os.Stderr)
			o.Observe = p.show
			out, err := bedlam.Shrink(c.Context(), words[0], o)
			p.done()
			if err != nil {
				return err
			}
			fmt.Printf("%s at %s, still found: %s\n\n", out.Failure.Check, out.Failure.Site, out.Failure.Text)
			fmt.Printf("%-8s %s\n%-8s %s\n", "before", size(out.Before), "after", size(out.After))
			fmt.Printf("%-8s %d, and %d that an earlier reduction had made\n\n", "runs", out.Runs, out.Known)
			text, err := os.ReadFile(out.File)
			if err != nil {
				return err
			}
			fmt.Printf("%s\nExperiment: %s\nReport: %s\n", text, shown(out.File), shown(out.Report))
			if out.Spent {
				fmt.Println("No runs were left: something smaller may be there. The same command goes on.")
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&o.Experiment, "experiment", "", "which of the run's experiments (default: the first that failed)")
	f.IntVar(&o.Runs, "runs", bedlam.DefaultShrinkRuns, "the most runs to make, about half a minute each")
	f.StringVar(&o.Shop, "shop", "", "the shop program that failed (default: the one beside this program)")
	return c
}

func size(s shrink.Size) string {
	return fmt.Sprintf("%d steps, %d victims, %s of harm", s.Steps, s.Victims, s.Harm.Round(100*time.Millisecond))
}
