package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/bedlamlab/bedlam"
	"github.com/bedlamlab/bedlam/chaos/toxiproxy"
)

func upCommand() *cobra.Command {
	var o bedlam.UpOptions
	c := &cobra.Command{
		Use:   "up",
		Short: "Start the shop and its customers, and print where they are, until Ctrl-C",
		Example: `  bedlam up
  bedlam up --rate 0               no customers but you
  bedlam up --listen 127.0.0.1:8080
  bedlam up --toxiproxy            and let toxiproxy-cli break it`,
		Long: `Starts the shop and its customers, prints where they are, and ends them at Ctrl-C.

With --toxiproxy, clients of Toxiproxy break it: every link between two
instances is a proxy, such as gateway-1:catalog-2. Anyone on this machine can use
that port while it is there, no web page, and nobody else.`,
		// An address may stand behind the flag, too: without one it has a value.
		Args: func(c *cobra.Command, words []string) error {
			if len(words) == 1 && o.Toxiproxy == toxiproxy.Address {
				o.Toxiproxy, words = words[0], nil
			}
			return noArgs(c, words)
		},
		RunE: func(c *cobra.Command, _ []string) error {
			p := newProgress(os.Stderr)
			o.Observe = p.show
			o.Ready = func(u bedlam.URLs) {
				p.wipe()
				text := fmt.Sprintf("Storefront  %s\nAPI         %s/openapi.yaml\n", u.Storefront, u.Storefront)
				if u.Toxiproxy != "" {
					text += fmt.Sprintf("Toxiproxy   %s\n", u.Toxiproxy)
				}
				p.out.say(os.Stdout, text+fmt.Sprintf("Record      %s\nCtrl-C ends it.\n", shown(u.Folder)))
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
	f.StringVar(&o.Toxiproxy, "toxiproxy", "", "`ADDRESS` on loopback of an API like Toxiproxy's, "+toxiproxy.Address+" if none is said")
	f.Lookup("toxiproxy").NoOptDefVal = toxiproxy.Address
	f.StringVar(&o.Out, "out", "", "folder for logs and telemetry, new or empty (default runs/<time>-up)")
	f.StringVar(&o.Shop, "shop", "", "the shop program (default: the one beside this program)")
	return c
}
