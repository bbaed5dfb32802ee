package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/bedlamlab/bedlam"
	"github.com/bedlamlab/bedlam/verify/results"
)

func benchCommand() *cobra.Command {
	var o bedlam.Options
	c := &cobra.Command{
		Use:     "bench",
		Short:   "Measure the shop: start, memory, the rate that it holds",
		Example: "  bedlam bench",
		Args:    noArgs,
		RunE:    measures(&o, func(ctx context.Context) (fmt.Stringer, error) { return bedlam.Bench(ctx, o) }),
	}
	c.AddCommand(benchEnginesCommand(), benchFaultsCommand(), benchServerCommand())
	c.Flags().StringVar(&o.Engine, "engine", "process", "where the shop runs (see bedlam list engines)")
	c.Flags().StringVar(&o.Shop, "shop", "", "the shop program (default: the one beside this program)")
	return c
}

func benchEnginesCommand() *cobra.Command {
	var o bedlam.Options
	var rounds int
	c := &cobra.Command{
		Use:     "engines",
		Short:   "Measure the shop on every engine in turns",
		Example: "  bedlam bench engines --rounds 3",
		Args:    noArgs,
		RunE:    measures(&o, func(ctx context.Context) (fmt.Stringer, error) { return bedlam.BenchEngines(ctx, o, rounds) }),
	}
	c.Flags().IntVar(&rounds, "rounds", 5, "how often each engine is measured")
	return c
}

func benchFaultsCommand() *cobra.Command {
	var o bedlam.Options
	var rounds int
	var each time.Duration
	var kept string
	c := &cobra.Command{
		Use:   "faults",
		Short: "Measure the relay beside haproxy and Toxiproxy in turns",
		Long: `Compares the relay with a direct connection, with haproxy if it is on the PATH,
and with Toxiproxy, which is built by go and kept in the cache. In each round
every one of them has its turn, and the ratios are within the rounds. Besides:
how long faults of the relay and of packets (root on Linux) take to come and to
go, and which share of requests, bytes, connections and packets they harm.`,
		Example: "  bedlam bench faults --rounds 11",
		Args:    noArgs,
		RunE: func(c *cobra.Command, args []string) error {
			var b bedlam.FaultsBenchmark
			err := measures(&o, func(ctx context.Context) (_ fmt.Stringer, err error) {
				b, err = bedlam.BenchFaults(ctx, o, rounds, each)
				return b, err
			})(c, args)
			if err != nil || kept == "" {
				return err
			}
			r := b.Result()
			// Outside its sources, what the program knows of them stands.
			if commit, err := results.Revision(c.Context(), "."); err == nil {
				r.Commit = commit
			}
			return results.Append(kept, r)
		},
	}
	c.Flags().IntVar(&rounds, "rounds", 11, "how often each is measured")
	c.Flags().DurationVar(&each, "each", time.Second, "how long each measurement lasts")
	c.Flags().StringVar(&kept, "results", "results/bench-faults.jsonl", "file that results are appended to; empty: none")
	return c
}

// benchServerCommand is what bench faults starts beside itself.
func benchServerCommand() *cobra.Command {
	return &cobra.Command{
		Use: "server", Short: "Be the server of bench faults, until standard input ends", Hidden: true, Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return bedlam.BenchServer(c.Context(), os.Stdin, os.Stdout) },
	}
}

// measures is what a command does that measures: it shows how far it is, and
// prints what was found.
func measures(o *bedlam.Options, measure func(context.Context) (fmt.Stringer, error)) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, _ []string) error {
		p := newProgress(os.Stderr)
		o.Observe = p.show
		found, err := measure(c.Context())
		p.done()
		if err != nil {
			return err
		}
		fmt.Print(found)
		return nil
	}
}
