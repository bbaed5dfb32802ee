package main

import (
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/bedlamlab/bedlam/deploy/names"
)

// lookUpCommand is what asks for a name where an instance stands, in its
// container.
func lookUpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "look-up INSTANCE TIMES PATIENCE", Short: "Ask this container's name server for an instance", Hidden: true, Args: cobra.ExactArgs(3),
		RunE: func(c *cobra.Command, args []string) error {
			n, err := strconv.Atoi(args[1])
			if err != nil {
				return err
			}
			patience, err := time.ParseDuration(args[2])
			if err != nil {
				return err
			}
			return names.Main(c.Context(), "/etc/resolv.conf", args[0], n, patience, os.Stdout)
		},
	}
}
