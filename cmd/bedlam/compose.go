package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/bedlamlab/bedlam/deploy/compose"
	"github.com/bedlamlab/bedlam/deploy/supervise"
	"github.com/bedlamlab/bedlam/services"
	"github.com/bedlamlab/bedlam/topology"
)

func composeCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "compose",
		Short: "Print a compose file that starts the shop in containers, without Bedlam",
		Long: `Prints deploy/compose/compose.yaml: the shop as people usually start containers,
each instance one of them, its callees called directly. Its head says how to
start it and which variables it knows.`,
		Example: `  bedlam compose > compose.yaml`,
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			text, err := compose.File(services.Shop())
			if err != nil {
				return err
			}
			_, err = os.Stdout.Write(text)
			return err
		},
	}
	c.AddCommand(provisionCommand(), healthCommand())
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

// healthCommand is how a container asks itself for its health: its image has
// no other program.
func healthCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "health http|grpc ADDRESS",
		Short:  "Say by the exit code whether a service wants requests",
		Hidden: true,
		Args:   args(2, 2, "a protocol and an address"),
		RunE: func(c *cobra.Command, words []string) error {
			return supervise.Healthy(c.Context(), topology.Protocol(words[0]), words[1], "")
		},
	}
}
