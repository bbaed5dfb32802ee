package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/bedlamlab/bedlam"
)

func benchCommand() *cobra.Command {
	var o bedlam.Options
	c := &cobra.Command{
		Use:     "bench",
		Short:   "Measure the shop: start, memory, the rate that it holds",
		Example: "  bedlam bench",
		Args:    noArgs,
		RunE:    measures(&o, func(ctx context.Context) (fmt.Stringer, error) { return bedlam.Bench(ctx, o) }),
	}
	c.AddCommand(benchEnginesCommand())
	c.Flags().StringVar(&o.Engine, "engine", "process", "where the shop runs (see bedlam list engines)")
	c.Flags().StringVar(&o.Shop, "shop", "", "the shop program (default: the one beside this program)")
	return c
}

func benchEnginesCommand() *cobra.Command {
	var o bedlam.Options
	var rounds int
	c := &cobra.Command{
		Use:     "engines",
		Short:   "Measure the shop on every engine in turns",
		Example: "  bedlam bench engines --rounds 3",
		Args:    noArgs,
		RunE:    measures(&o, func(ctx context.Context) (fmt.Stringer, error) { return bedlam.BenchEngines(ctx, o, rounds) }),
	}
	c.Flags().IntVar(&rounds, "rounds", 5, "how often each engine is measured")
	return c
}

// measures is what a command does that measures: it shows how far it is, and
// prints what was found.
func measures(o *bedlam.Options, measure func(context.Context) (fmt.Stringer, error)) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, _ []string) error {
		p := newProgress(os.Stderr)
		o.Observe = p.show
		found, err := measure(c.Context())
		p.done()
		if err != nil {
			return err
		}
		fmt.Print(found)
		return nil
	}
}
