package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/bedlamlab/bedlam/deploy/disk"
)

// diskCommand is what serves a store's disk that can fail.
func diskCommand() *cobra.Command {
	return &cobra.Command{
		Use: "disk", Short: "Serve the disk of an instance: read which from standard input", Hidden: true, Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return disk.Main(c.Context(), os.Stdin, os.Stdout) },
	}
}
