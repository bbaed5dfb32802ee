package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/bedlamlab/bedlam"
	"github.com/bedlamlab/bedlam/verify/heal"
	"github.com/bedlamlab/bedlam/verify/results"
)

// verifyHealCommand is for those who work on Bedlam: it runs from its sources.
func verifyHealCommand(code *int) *cobra.Command {
	o := heal.Options{Tell: func(text string) { fmt.Println(text) }}
	c := &cobra.Command{
		Use:   "heal",
		Short: "Show that nothing is left however a run ends",
		Long:  "Interrupts and kills real runs at seeded moments, measures how long something is\nleft of them, and appends it to the results. It can be cut short and goes on where it was.",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			self, err := os.Executable()
			if err != nil {
				return err
			}
			if o.Faults && !c.Flags().Changed("results") {
				o.Results = "results/heal-faults.jsonl"
			}
			o.Programs, o.Machine = filepath.Dir(self), bedlam.Machine()
			if o.Commit, err = results.Revision(c.Context(), "."); err != nil {
				return err
			}
			proofs, err := heal.Prove(c.Context(), o)
			if err != nil {
				return err
			}
			good, slowest := 0, 0.0
			for _, p := range proofs {
				if p.OK {
					good++
				}
				slowest = max(slowest, p.Seconds)
			}
			if o.Faults {
				fmt.Println(heal.Sum(proofs))
			}
			fmt.Printf("%d of %d moments as they should be, the slowest clean after %.2f s\n", good, len(proofs), slowest)
			if good < len(proofs) {
				*code = exitFail
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&o.Engine, "engine", "", "process, unless it is docker")
	f.Uint64Var(&o.Seed, "seed", 1, "decides the moments")
	f.IntVar(&o.Moments, "moments", 50, "how many")
	f.BoolVar(&o.Faults, "faults", false, "kill at each step of the journal, with every fault, in place of seeded moments")
	f.IntVar(&o.Workers, "workers", 0, "runs side by side (0: 1 for seeded moments, 3 with --faults)")
	f.StringVar(&o.Results, "results", "results/heal.jsonl", "file that results are appended to")
	return c
}
