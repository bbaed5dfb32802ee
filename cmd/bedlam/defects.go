package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bedlamlab/bedlam/verify/hunt"
)

// defectsCommand scores Bedlam: it builds shops, so it runs from the sources.
func defectsCommand(code *int) *cobra.Command {
	o := hunt.Options{Root: ".", Tell: func(text string) { fmt.Println(text) }}
	c := &cobra.Command{
		Use:   "defects [NAME …]",
		Short: "Score Bedlam: how many seeded bugs it finds (from its sources)",
		Long: `Builds the shop with each seeded bug, puts it through the experiments that expose
it, and says how many were found: accused by the right check, at the right service
or edge. Decoys, and the shop as it is, go through the same experiments; whoever
accuses them cries wolf. NAME is a patch or its number (see bedlam list patches),
or clean; without any, all of them.

What comes of each run is appended to the results: it can be cut short and goes on
where it was. Folders of runs that were not as they should be are kept beside them.`,
		Example: "  bedlam defects --repeat 10\n  bedlam defects B01 D03 clean\n  bedlam defects --unharmed",
		RunE: func(c *cobra.Command, names []string) error {
			o.Names = names
			if o.Unharmed && !c.Flags().Changed("results") {
				o.Results = "results/unharmed.jsonl"
			}
			proofs, err := hunt.Run(c.Context(), o)
			if err != nil {
				return err
			}
			s := hunt.Sum(proofs)
			fmt.Print("\n", s)
			if !s.Good() {
				*code = exitFail
			}
			return nil
		},
	}
	f := c.Flags()
	f.IntVar(&o.Repeat, "repeat", 1, "repetitions, each with a seed of its own")
	f.BoolVar(&o.Unharmed, "unharmed", false, "put each bug through an experiment that harms nobody, which must not show it")
	f.Float64Var(&o.Rate, "rate", 0, "journeys a second; 0: the usual rate")
	f.StringVar(&o.Results, "results", "results/defects.jsonl", "file that results are appended to")
	return c
}
