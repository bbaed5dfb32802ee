package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/bedlamlab/bedlam"
	"github.com/bedlamlab/bedlam/deploy/relay"
)

func healCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "heal",
		Short:   "Put right what earlier runs left when they were cut short",
		Example: "  bedlam heal",
		Long:    "Lifts faults, ends processes and removes folders of runs whose own process is gone.\nRuns that are alive are left alone. Every command that starts something heals first.",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			healed := 0
			err := bedlam.Heal(c.Context(), func(text string) { healed++; fmt.Println(text) })
			if err == nil && healed == 0 {
				fmt.Println("nothing to heal")
			}
			return err
		},
	}
}

func doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "doctor",
		Short:   "Say what this machine can do, what is missing and what would give it",
		Example: "  bedlam doctor",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			bad := false
			for _, f := range bedlam.Doctor(c.Context()) {
				mark := "✓"
				if !f.OK {
					if mark = "·"; f.Needed {
						mark, bad = "✗", true
					}
				}
				fmt.Printf("%s %-12s %s\n", mark, f.Name, f.Text)
				if f.Hint != "" && !f.OK {
					fmt.Printf("  %-12s → %s\n", "", f.Hint)
				}
			}
			if bad {
				return errors.New("something that every run needs is missing")
			}
			return nil
		},
	}
}

func postgresCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "postgres",
		Short: "Print the folder of PostgreSQL's programs; fetch them, if this machine has none",
		Long: `Prints a folder with initdb and postgres, for those who want to run them by
themselves. It is the machine's own if it has one; else PostgreSQL is fetched
into Bedlam's cache, as by a first run. Nothing is installed.`,
		Example: `  PATH="$PATH:$(bedlam postgres)" go test ./...`,
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			p := newProgress(os.Stderr)
			dir, err := bedlam.Postgres(c.Context(), func(text string) { p.show(bedlam.Status{Step: text}) })
			p.done()
			if err != nil {
				return err
			}
			fmt.Println(dir)
			return nil
		},
	}
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  bedlam version",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			fmt.Printf("bedlam %s %s %s/%s\n", bedlam.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
}

// relayCommand and guardCommand are what a run starts beside itself.
func relayCommand() *cobra.Command {
	return &cobra.Command{
		Use: "relay", Short: "Be the relay of a run: read its configuration from standard input", Hidden: true, Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return relay.Main(c.Context(), os.Stdin, os.Stdout) },
	}
}

func guardCommand() *cobra.Command {
	return &cobra.Command{
		Use: "guard RUN", Short: "Be the guard of a run, until standard input ends", Hidden: true, Args: args(1, 1, "one run"),
		RunE: func(c *cobra.Command, words []string) error { return bedlam.Guard(c.Context(), os.Stdin, words[0]) },
	}
}
