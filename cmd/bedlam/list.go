package main

import (
	"encoding/json"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/bedlamlab/bedlam"
)

func listCommand() *cobra.Command {
	var asJSON, asPage bool
	c := &cobra.Command{
		Use:       "list [faults|experiments|checks|services|engines|patches]",
		Short:     "List what there is; the name stands first on each line",
		Example:   "  bedlam list faults\n  bedlam list experiments --json\n  bedlam list faults --markdown",
		ValidArgs: bedlam.Lists(),
		Args:      args(0, 1, "one of faults, experiments, checks, services, engines, patches, or nothing for all"),
		RunE: func(_ *cobra.Command, words []string) error {
			if asPage {
				return printPage(words)
			}
			lists := bedlam.Lists()
			if len(words) > 0 {
				lists = words
			}
			all := map[string]any{}
			for i, name := range lists {
				items, err := bedlam.List(name)
				if err != nil {
					return err
				}
				all[name] = items
				if asJSON {
					continue
				}
				if len(lists) > 1 {
					if i > 0 {
						fmt.Println()
					}
					fmt.Println("# " + name)
				}
				w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
				for _, item := range items {
					fmt.Fprintf(w, "%s\t%s\n", item.Name, item.Text)
				}
				if err := w.Flush(); err != nil {
					return err
				}
			}
			if !asJSON {
				return nil
			}
			e := json.NewEncoder(os.Stdout)
			e.SetIndent("", "  ")
			if len(words) == 1 {
				return e.Encode(all[words[0]])
			}
			return e.Encode(all)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	c.Flags().BoolVar(&asPage, "markdown", false, "as a page in Markdown; of faults only")
	c.MarkFlagsMutuallyExclusive("json", "markdown")
	return c
}

// printPage prints docs/faults.md, the one page that is made of a list.
func printPage(words []string) error {
	if len(words) != 1 || words[0] != "faults" {
		return fmt.Errorf("%w: only the list of faults has a page", bedlam.ErrUsage)
	}
	page, err := bedlam.FaultsPage()
	if err == nil {
		_, err = os.Stdout.Write(page)
	}
	return err
}
