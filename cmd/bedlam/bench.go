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
	c.Flags().StringVar(&o.Engine, "engine", "process", "where the shop runs (see bedlam list engines)")
	c.Flags().StringVar(&o.Shop, "shop", "", "the shop program (default: the one beside this program)")
	return c
}
