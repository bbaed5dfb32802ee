package main

import (
	"github.com/spf13/cobra"

	"github.com/bedlamlab/bedlam/deploy/exhaust"
)

// exhaustCommand is what an engine runs inside a container that is to run out
// of memory.
func exhaustCommand() *cobra.Command {
	return &cobra.Command{
		Use: "exhaust DIR BYTES", Short: "Make the container that this is run in run out of memory", Hidden: true,
		Args: args(2, 2, "a folder and a number of bytes"),
		RunE: func(c *cobra.Command, words []string) error { return exhaust.Main(c.Context(), words[0], words[1]) },
	}
}
