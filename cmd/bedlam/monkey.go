package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	_ "time/tzdata" // for hours in a zone, on machines that know none

	"github.com/spf13/cobra"

	"github.com/bedlamlab/bedlam"
	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/monkey"
	"github.com/bedlamlab/bedlam/topology"
)

func monkeyCommand(code *int) *cobra.Command {
	o := bedlam.MonkeyOptions{Habits: monkey.Defaults()}
	var hours, quiet []string
	c := &cobra.Command{
		Use:   "monkey",
		Short: "Keep breaking a running shop, until Ctrl-C",
		Long: `Brings the shop up with its customers and breaks it again and again: one fault
at a time, each written down before it is done, proven to be there and proven to
be gone. What is broken when is decided by the seed. At the end everything is
lifted and the data is audited; killed with -9, its guard lifts.

Hours are when faults may be on, quiet periods when none may be: 09:00-17:00,
Mon-Fri 09:00-17:00 Europe/Berlin, or 2026-12-24T12:00:00Z/2026-12-27T00:00:00Z.
Without a zone they are in UTC.

With --system it breaks containers that you have started yourself (see bedlam
run --help); unless it is unleashed it only prints what it would do.

It can be told things over HTTP (see /openapi.yaml there) with the token of the
run's file token: list, inject now, pause, resume, halt; /metrics is for
Prometheus. What it did is in the file recording of its folder, for --replay.

Exit codes: 0 every fault was proven and lifted and the data is right, 1 the data
is wrong, 3 it cannot be told, 4 something could not be lifted.`,
		Example: `  bedlam monkey
  bedlam monkey --dry-run --for 8h --hours "Mon-Fri 09:00-17:00 Europe/Berlin"
  bedlam monkey --mean 30s --least 10s --exclude payment,bank --for 10m
  bedlam monkey --weight kill=5 --weight latency=0
  bedlam monkey --replay runs/2026-01-31T10-15-04-monkey/recording
  bedlam monkey --system deploy/compose/system.yaml --unleash
  curl -H "Authorization: Bearer $(cat runs/…/token)" -d '{"fault":"kill",
    "selector":{"services":["cart"]},"duration":"10s"}' \
    -H 'Content-Type: application/json' http://127.0.0.1:PORT/v1/faults`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := readWindows(&o.Habits, hours, quiet); err != nil {
				return badWord{err}
			}
			f := c.Flags()
			if o.System != "" {
				for _, name := range []string{"engine", "isolation", "shop", "listen"} {
					if f.Changed(name) {
						return badWord{fmt.Errorf("--%s and --system exclude each other: the system runs already (see %s --help)", name, c.CommandPath())}
					}
				}
				o.Engine = ""
			}
			if o.Control == "off" {
				o.Control = ""
			}
			p := newProgress(os.Stderr)
			o.Observe = p.show
			o.Ready = func(u bedlam.MonkeyURLs) { p.wipe(); p.out.say(os.Stdout, announcement(u)) }
			o.Tell = teller(&p.out, os.Stdout)
			out, err := bedlam.Monkey(c.Context(), o)
			p.wipe()
			switch {
			case out.Dry:
				p.out.say(os.Stdout, forecast(o, out))
			case out.Folder != "":
				*code = out.Exit
				p.out.say(os.Stdout, summary(out)) // which is in the folder, too
			}
			p.out.drain(readPatience)
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&o.Engine, "engine", "process", "where the shop runs (see bedlam list engines)")
	f.StringVar(&o.Isolation, "isolation", "", isolationHelp)
	f.StringVar(&o.System, "system", "", "a `FILE` that names running containers, to break those in place of an engine's")
	f.BoolVar(&o.Unleashed, "unleash", false, "really break what --system names")
	f.BoolVar(&o.DryRun, "dry-run", false, "print what would be done, and do nothing")
	f.Uint64Var(&o.Seed, "seed", 1, "decides what is broken when, and who the customers are")
	f.Float64Var(&o.Rate, "rate", bedlam.DefaultRate, "journeys a second; 0 for no customers")
	f.DurationVar(&o.For, "for", 0, "how long; 0: until Ctrl-C")
	duration(c, &o.Habits.Mean, "mean", "mean time from one fault to the next")
	duration(c, &o.Habits.Least, "least", "minimum time from one fault to the next")
	duration(c, &o.Habits.Hold, "hold", "how long a fault is on: half of it to half as long again")
	f.StringArrayVar(&hours, "hours", nil, "a `PERIOD` in which faults may be on; may be given again (default always)")
	f.StringArrayVar(&quiet, "quiet", nil, "a `PERIOD` in which none may be on; may be given again")
	f.StringSliceVar(&o.Habits.Exclude, "exclude", nil, "`NAMES` of services, instances or zones that are never touched")
	f.IntVar(&o.Habits.Share, "share", o.Habits.Share, "the most percent of a service's replicas that may be harmed at once")
	f.IntVar(&o.Habits.Simultaneous, "simultaneous", o.Habits.Simultaneous, "how many faults may be on at once")
	f.StringArrayVar(&o.Weights, "weight", nil, "how often a fault is chosen beside the others, `FAULT=N`; 0: never; may be given again")
	f.StringVar(&o.Catalogue, "catalogue", "", "a `FILE` of faults, parameters and weights in place of the built-in ones")
	f.StringVar(&o.Replay, "replay", "", "a `FILE` that a monkey recorded, to do the same again")
	f.StringVar(&o.Control, "control", "127.0.0.1:0", "where it can be told things: a loopback `ADDRESS`, unix:PATH or off")
	f.StringVar(&o.Listen, "listen", "127.0.0.1:0", "host:port of the storefront; port 0 takes a free one")
	f.StringVar(&o.Out, "out", "", "the run's folder, new or empty (default runs/<time>-monkey)")
	f.StringVar(&o.Shop, "shop", "", "the shop program to break (default: the one beside this program)")
	return c
}

func duration(c *cobra.Command, d *topology.Duration, name, text string) {
	c.Flags().DurationVar((*time.Duration)(d), name, d.D(), text)
}

func readWindows(o *monkey.Options, hours, quiet []string) error {
	o.Hours, o.Quiet = nil, nil
	for _, list := range []struct {
		flag  string
		words []string
		into  *[]monkey.Window
	}{{"--hours", hours, &o.Hours}, {"--quiet", quiet, &o.Quiet}} {
		for _, word := range list.words {
			w, err := monkey.ParseWindow(word)
			if err != nil {
				return fmt.Errorf("%s: %w", list.flag, err)
			}
			*list.into = append(*list.into, w)
		}
	}
	return nil
}

// announcement says where everything is, and the token, once.
func announcement(u bedlam.MonkeyURLs) string {
	w := &strings.Builder{}
	if u.Storefront != "" {
		fmt.Fprintf(w, "Storefront  %s\n", u.Storefront)
	}
	if u.Control != "" {
		at := "http://" + u.Control
		if strings.HasPrefix(u.Control, "unix:") {
			at = u.Control
		}
		fmt.Fprintf(w, "Control     %s\nToken       %s (in %s)\n", at, u.Token, shown(u.TokenFile))
	}
	fmt.Fprintf(w, "Record      %s\nCtrl-C ends it.\n\n", shown(u.Folder))
	return w.String()
}

// teller has a line printed for each thing that happens, and waits for nobody
// who reads it: it is told between a fault's injection and its lift.
func teller(p *printer, to io.Writer) func(monkey.Event) {
	begun := time.Now()
	return func(e monkey.Event) { p.say(to, line(time.Since(begun), e)) }
}

// line says what happens.
func line(at time.Duration, e monkey.Event) string {
	f := e.Fault
	text := describe(f.Resolved)
	switch e.What {
	case monkey.WasInjected:
		text += fmt.Sprintf(" for %s", f.Duration)
	case monkey.WasProven, monkey.WasUnproven:
		text += ": " + f.Proof
	default:
		if f.Reason != "" {
			text += ": " + f.Reason
		}
	}
	return fmt.Sprintf("%6.1fs  %-10s  %s\n", at.Seconds(), e.What, strings.ReplaceAll(text, "\n", "; "))
}

// describe says in a few words what is done to whom.
func describe(r chaos.Resolved) string {
	whom := append([]string{}, r.Instances...)
	for _, l := range r.Links {
		whom = append(whom, l.String())
	}
	text := r.ID + " " + r.Action
	if r.Direction != "" {
		text += " (" + string(r.Direction) + ")"
	}
	if len(r.Args) > 0 && string(r.Args) != "null" {
		text += " " + string(r.Args)
	}
	return text + " on " + strings.Join(whom, ", ")
}

// forecast says a dry run.
func forecast(o bedlam.MonkeyOptions, out bedlam.MonkeyOutcome) string {
	w := &strings.Builder{}
	for _, r := range out.Planned {
		fmt.Fprintf(w, "%10s  for %-8s  %s\n", "+"+r.At.D().Round(time.Second).String(), r.Duration.D().Round(100*time.Millisecond), describe(r))
	}
	fmt.Fprintf(w, "A dry run: %d faults in %s, seed %d; nothing was touched.\n", len(out.Planned), out.For, o.Seed)
	for _, why := range out.LeftOut {
		fmt.Fprintf(w, "Left out: %s\n", why)
	}
	fmt.Fprintf(w, "Assumed: %s.\n", out.Assumed)
	if o.System != "" && !o.Unleashed {
		fmt.Fprintf(w, "Bedlam did not start %s: only --unleash harms it.\n", o.System)
	}
	return w.String()
}

// summary says what a monkey came to.
func summary(out bedlam.MonkeyOutcome) string {
	w := &strings.Builder{}
	n := out.Counts
	fmt.Fprintf(w, "\n%s", out.Verdict)
	if len(out.Reasons) > 0 {
		fmt.Fprintf(w, "  %s", out.Reasons[0])
	}
	fmt.Fprintf(w, "\n  faults   %d injected, %d proven, %d lifted; %d left out\n", n.Injected+n.Failed, n.Proven, n.Gone, n.LeftOut)
	if m := out.Meetings; m.Alone != "" {
		fmt.Fprintf(w, "  met      by no customer: the probes alone have seen them (%s)\n", m.Alone)
	} else if m.Of > 0 {
		fmt.Fprintf(w, "  met      %d of %d by requests of customers; of the others, the probe alone speaks\n", m.Met, m.Of)
	}
	for i, what := range []string{"all the time", "with a fault on", "with none"} {
		if g := out.Goodput[i]; g.Of > 0 {
			label := ""
			if i == 0 {
				label = "goodput"
			}
			fmt.Fprintf(w, "  %-7s  %7.2f %% of %d requests, %s\n", label, 100*g.Good, g.Of, what)
		}
	}
	good, bad := 0, 0
	for _, l := range out.Audit {
		switch l.Verdict {
		case chaos.Pass:
			good++
		case chaos.Fail:
			bad++
		}
	}
	fmt.Fprintf(w, "  audit    %d of %d checks of the data hold, %d do not\n", good, len(out.Audit), bad)
	for _, why := range out.Reasons[min(1, len(out.Reasons)):] {
		fmt.Fprintf(w, "  %s\n", why)
	}
	for _, why := range out.LeftOut {
		fmt.Fprintf(w, "  left out: %s\n", why)
	}
	fmt.Fprintf(w, "\nRecord: %s\n", shown(out.Folder))
	return w.String()
}
