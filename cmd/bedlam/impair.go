package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/bedlamlab/bedlam/deploy/impair"
)

// impairCommand is what holds a harm of the kernel's that needs somebody alive.
func impairCommand() *cobra.Command {
	return &cobra.Command{
		Use: "impair", Short: "Hold a fault of a run: read which from standard input", Hidden: true, Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return impair.Main(c.Context(), os.Stdin, os.Stdout) },
	}
}
