package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/bedlamlab/bedlam"
)

func upCommand() *cobra.Command {
	var o bedlam.UpOptions
	c := &cobra.Command{
		Use:   "up",
		Short: "Start the shop and its customers, and print where they are, until Ctrl-C",
		Example: `  bedlam up
  bedlam up --rate 0               no customers but you
  bedlam up --listen 127.0.0.1:8080`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			p := newProgress(os.Stderr)
			o.Observe = p.show
			o.Ready = func(u bedlam.URLs) {
				p.done()
				fmt.Printf("Storefront  %s\nAPI         %s/openapi.yaml\nRecord      %s\nCtrl-C ends it.\n", u.Storefront, u.Storefront, shown(u.Folder))
			}
			err := bedlam.Up(c.Context(), o)
			p.done()
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&o.Engine, "engine", "process", "where the shop runs (see bedlam list engines)")
	f.StringVar(&o.Isolation, "isolation", "", isolationHelp)
	f.Uint64Var(&o.Seed, "seed", 1, "decides arrivals and journeys")
	f.Float64Var(&o.Rate, "rate", bedlam.DefaultRate, "journeys a second; 0 for none")
	f.StringVar(&o.Listen, "listen", "127.0.0.1:0", "host:port of the storefront; port 0 takes a free one")
	f.StringVar(&o.Out, "out", "", "folder for logs and telemetry, new or empty (default runs/<time>-up)")
	f.StringVar(&o.Shop, "shop", "", "the shop program (default: the one beside this program)")
	return c
}
