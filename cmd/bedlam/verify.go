package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bedlamlab/bedlam/verify/verdict"
)

// verifyCommand is for those who work on Bedlam: it runs from its sources.
func verifyCommand(code *int) *cobra.Command {
	o := verdict.Options{Root: ".", Tell: func(text string) { fmt.Println(text) }}
	var seeds uint64
	var from uint64
	c := &cobra.Command{
		Use:    "verify [NAME …]",
		Short:  "Show that verdicts can fail and do not cry wolf",
		Long:   "Runs the shop as it is, with each harmless patch and with a sample of the\ndefects (bedlam defects has them all), and appends what came of it to the results.\nIt can be cut short and goes on where it was.",
		Hidden: true,
		RunE: func(c *cobra.Command, names []string) error {
			o.Names = names
			for s := range seeds {
				o.Seeds = append(o.Seeds, from+s)
			}
			proofs, err := verdict.Prove(c.Context(), o)
			if err != nil {
				return err
			}
			for _, s := range verdict.Sum(proofs) {
				fmt.Println(s)
				if s.Wrong > 0 || s.Undecided > 0 {
					*code = exitFail
				}
			}
			return nil
		},
	}
	f := c.Flags()
	c.AddCommand(verifyHealCommand(code), verifyMutateCommand(code))
	f.Uint64Var(&seeds, "seeds", 10, "how many seeds")
	f.Uint64Var(&from, "from", 1, "the first seed")
	f.StringVar(&o.Suite, "suite", "default", "what the shop as it is, and with harmless patches, must pass")
	f.StringVar(&o.Results, "results", "results/verdict.jsonl", "file that results are appended to")
	return c
}
