package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/bedlamlab/bedlam/deploy/exhaust"
)

// exhaustCommand is what an engine runs inside a container, or beside a process
// in a cgroup, that is to run out of memory.
func exhaustCommand() *cobra.Command {
	return &cobra.Command{
		Use: "exhaust DIR BYTES [PID]", Short: "Make the container or cgroup that this is run in run out of memory", Hidden: true,
		Args: args(2, 3, "a folder, a number of bytes and perhaps a process"),
		RunE: func(c *cobra.Command, words []string) error {
			if len(words) == 3 {
				return exhaust.Beside(c.Context(), os.Stdin, words[0], words[1], words[2])
			}
			return exhaust.Main(c.Context(), os.Stdin, words[0], words[1])
		},
	}
}
