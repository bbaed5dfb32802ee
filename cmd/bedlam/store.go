package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/bedlamlab/bedlam/deploy/postgres"
)

// storeCommand is what a container with a store runs.
func storeCommand(code *int) *cobra.Command {
	prepare := false
	c := &cobra.Command{
		Use: "store", Short: "Be the store that " + postgres.OptionsEnv + " describes, in a container", Hidden: true, Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if prepare {
				return postgres.Prepare(c.Context())
			}
			// The signals that end this program's context are the server's here.
			*code, err = postgres.Main(context.WithoutCancel(c.Context()))
			return err
		},
	}
	c.Flags().BoolVar(&prepare, "prepare", false, "only make what a first start would have to make")
	return c
}
