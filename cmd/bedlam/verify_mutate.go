package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bedlamlab/bedlam/verify/mutate"
)

// leastKilled is the share of mutants of the judge that its tests have to notice.
const leastKilled = 0.95

func verifyMutateCommand(code *int) *cobra.Command {
	o := mutate.Options{Root: ".", Tell: func(text string) { fmt.Println(text) }}
	c := &cobra.Command{
		Use:   "mutate",
		Short: "Show that the judge's tests notice a change of the judge",
		Long:  "Changes one comparison or constant of chaos/check at a time, runs its tests, and\nappends what came of it to the results. It can be cut short and goes on where it\nwas; with other sources it begins anew.",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			proofs, err := mutate.Prove(c.Context(), o)
			if err != nil {
				return err
			}
			reasons, err := mutate.Reasons("verify/mutate/survivors.txt")
			if err != nil {
				return err
			}
			s := mutate.Sum(proofs, reasons)
			for _, left := range s.Survivors {
				why := left.Why
				if why == "" {
					why = "unexplained"
				}
				fmt.Printf("survived  %s: %s\n          %s\n", left.Mutant, left.Text, why)
			}
			fmt.Printf("killed %d of %d (%.1f %%; at least %.0f %%)\n", s.Killed, s.Total, 100*s.Share(), 100*leastKilled)
			if s.Share() < leastKilled {
				*code = exitFail
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&o.Package, "package", "chaos/check", "the folder of the package")
	f.IntVar(&o.Every, "every", 1, "try each so-many-th mutant only")
	f.IntVar(&o.Beside, "beside", 2, "how many at a time")
	f.StringVar(&o.Results, "results", "results/mutants.jsonl", "file that results are appended to")
	return c
}
