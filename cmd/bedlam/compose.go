package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/bedlamlab/bedlam"
	"github.com/bedlamlab/bedlam/deploy/compose"
	"github.com/bedlamlab/bedlam/deploy/docker"
	"github.com/bedlamlab/bedlam/deploy/supervise"
	"github.com/bedlamlab/bedlam/services"
	"github.com/bedlamlab/bedlam/topology"
)

func composeCommand() *cobra.Command {
	bundled, system := false, false
	c := &cobra.Command{
		Use:   "compose",
		Short: "Print a compose file that starts the shop in containers, without Bedlam",
		Long: `Prints deploy/compose/compose.yaml: the shop as people usually start containers,
each instance one of them, its callees called directly. Its head says how to
start it and which variables it knows.`,
		Example: `  bedlam compose > compose.yaml`,
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			file := compose.File
			switch {
			case bundled:
				file = compose.Bundled
			case system:
				file = compose.System
			}
			text, err := file(services.Shop())
			if err != nil {
				return err
			}
			_, err = os.Stdout.Write(text)
			return err
		},
	}
	c.Flags().BoolVar(&bundled, "bundled", false, "print the second file, for machines that cannot fetch PostgreSQL's official image")
	c.Flags().BoolVar(&system, "system", false, "print the file by which bedlam run --system attaches to those containers")
	c.MarkFlagsMutuallyExclusive("bundled", "system")
	c.AddCommand(provisionCommand(), healthCommand(), imageCommand())
	return c
}

// provisionCommand is what the file's own one-shot container runs.
func provisionCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "provision",
		Short:  "Make roles and schemas in the stores that the compose file starts",
		Hidden: true,
		Args:   noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return compose.Provision(c.Context(), services.Shop(), os.Getenv)
		},
	}
}

// imageCommand makes what the second file's stores run.
func imageCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "image",
		Short:  "Print the image of PostgreSQL that Bedlam makes; make it if it is not there",
		Hidden: true,
		Args:   noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			self, err := os.Executable()
			if err != nil {
				return err
			}
			p := newProgress(os.Stderr)
			ref, err := docker.StoreImage(c.Context(), self, func(text string) { p.show(bedlam.Status{Step: text}) })
			p.done()
			if err != nil {
				return err
			}
			fmt.Println(ref)
			return nil
		},
	}
}

// healthCommand is how a container asks itself for its health: its image has
// no other program.
func healthCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "health http|grpc|postgres ADDRESS",
		Short:  "Say by the exit code whether a service wants requests; a store's address is a URL",
		Hidden: true,
		Args:   args(2, 2, "a protocol and an address"),
		RunE: func(c *cobra.Command, words []string) error {
			return supervise.Healthy(c.Context(), topology.Protocol(words[0]), words[1], words[1])
		},
	}
}
