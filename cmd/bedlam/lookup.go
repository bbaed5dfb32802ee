package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/bedlamlab/bedlam/deploy/names"
)

// lookUpCommand is what asks for a name where an instance stands, in its
// container.
func lookUpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "look-up INSTANCE TIMES PATIENCE", Short: "Ask this container's name server for an instance", Hidden: true, Args: cobra.ExactArgs(3),
		RunE: func(c *cobra.Command, args []string) error {
			return names.Main(c.Context(), args[0], args[1], args[2], os.Stdout)
		},
	}
}
