package main

import (
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
		RunE: func(c *cobra.Command, _ []string) error {
			p := newProgress(os.Stderr)
			o.Observe = p.show
			b, err := bedlam.Bench(c.Context(), o)
			p.done()
			if err != nil {
				return err
			}
			fmt.Print(b)
			return nil
		},
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
		RunE: func(c *cobra.Command, _ []string) error {
			p := newProgress(os.Stderr)
			o.Observe = p.show
			b, err := bedlam.BenchEngines(c.Context(), o, rounds)
			p.done()
			if err != nil {
				return err
			}
			fmt.Print(b)
			return nil
		},
	}
	c.Flags().IntVar(&rounds, "rounds", 5, "how often each engine is measured")
	return c
}
