package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/bedlamlab/bedlam"
	"github.com/bedlamlab/bedlam/chaos/defects"
)

// verifyCommand is for those who work on Bedlam: it runs from its sources.
func verifyCommand(code *int) *cobra.Command {
	o := bedlam.VerifyOptions{Root: ".", Tell: func(text string) { fmt.Println(text) }}
	var seeds uint64
	var from uint64
	c := &cobra.Command{
		Use:    "verify [NAME …]",
		Short:  "Show that verdicts can fail and do not cry wolf",
		Long:   "Runs the shop as it is, with each harmless patch and with each defect, and appends\nwhat came of it to the results. It can be cut short and goes on where it was.",
		Hidden: true,
		RunE: func(c *cobra.Command, names []string) error {
			o.Names = names
			for s := range seeds {
				o.Seeds = append(o.Seeds, from+s)
			}
			proofs, err := bedlam.Verify(c.Context(), o)
			if err != nil {
				return err
			}
			sum := map[string][2]int{}
			for _, p := range proofs {
				n := sum[p.Kind]
				if n[1]++; p.OK {
					n[0]++
				} else if *code == exitPass {
					*code = exitFail
				}
				sum[p.Kind] = n
			}
			for _, kind := range []string{"clean", defects.Harmless, defects.Defect} {
				fmt.Fprintf(os.Stdout, "%s: %d of %d runs as they should be\n", kind, sum[kind][0], sum[kind][1])
			}
			return nil
		},
	}
	f := c.Flags()
	f.Uint64Var(&seeds, "seeds", 10, "how many seeds")
	f.Uint64Var(&from, "from", 1, "the first seed")
	f.StringVar(&o.Results, "results", "results/verdict.jsonl", "file that results are appended to")
	return c
}
