package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/bedlamlab/bedlam"
	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/report"
)

func runCommand(code *int) *cobra.Command {
	var o bedlam.Options
	var dry, ablate bool
	c := &cobra.Command{
		Use:   "run [NAME|FILE …]",
		Short: "Run experiments and judge them",
		Long: `Brings the shop up, sends it customers, runs each experiment and judges the run.
NAME is an experiment or a suite (see bedlam list experiments), FILE an
experiment of your own (.yaml). Without any, the default suite runs.

With --system it brings nothing up: it breaks containers that you have started
yourself, and at the end all that ran run. FILE says which they are, and
deploy/compose/system.yaml is an example. Only containers that bear the label
dev.bedlam.chaos=yes are broken; a system with others is refused. They are
killed, stopped and paused, and started again; there is no relay between them,
so that experiments on the network are INCONCLUSIVE there.`,
		Example: `  bedlam run
  bedlam run --seed 7 smoke
  bedlam run recommend-down bank-slow-then-cut-off
  bedlam run --rate 60 --out /tmp/run1 ./mine.yaml
  bedlam run --ablate bank-slow-then-cut-off
  bedlam run --pairs 6 recommend-down
  bedlam run --baseline runs/yesterday/result.json
  bedlam run --system deploy/compose/system.yaml catalog-replica-paused`,
		RunE: func(c *cobra.Command, words []string) error {
			o.Words = words
			if f := c.Flags(); o.System != "" {
				for _, name := range []string{"engine", "isolation", "shop"} {
					if f.Changed(name) {
						return badWord{fmt.Errorf("--%s and --system exclude each other: the system runs already (see %s --help)", name, c.CommandPath())}
					}
				}
				o.Engine = ""
			}
			if o.Rate == 0 { // said, not left out
				return badWord{errors.New("rate 0: want more than 0 journeys a second")}
			}
			if dry {
				s, err := bedlam.Foresee(o)
				foresee(os.Stdout, s)
				return err
			}
			p := newProgress(os.Stderr)
			o.Observe = p.show
			if ablate {
				a, err := bedlam.Ablate(c.Context(), o)
				p.done()
				if err != nil {
					return err
				}
				printAblation(os.Stdout, a)
				fmt.Printf("Runs: %s\n", shown(a.Folder))
				return nil
			}
			do := bedlam.Run
			if c.Flags().Changed("pairs") {
				do = bedlam.RunPairs
			}
			out, err := do(c.Context(), o)
			p.done()
			if out.Result.Schema == "" {
				return err
			}
			*code = out.Result.Exit
			if err := report.Terminal(os.Stdout, out.Result, report.TerminalOptions{Color: colored(os.Stdout)}); err != nil {
				return err
			}
			fmt.Printf("\nReport: %s\n", shown(filepath.Join(out.Folder, "report.html")))
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&o.Engine, "engine", "process", "where the shop runs (see bedlam list engines)")
	f.StringVar(&o.Isolation, "isolation", "", isolationHelp)
	f.StringVar(&o.System, "system", "", "a `FILE` that names running containers, to break those in place of an engine's")
	f.BoolVar(&dry, "dry-run", false, "print what would be done, and do nothing")
	f.BoolVar(&ablate, "ablate", false, "run one experiment again and again, each time with one mechanism of one edge that it touches off, and print what each is worth")
	f.Uint64Var(&o.Seed, "seed", 1, "decides arrivals, victims and moments")
	f.Float64Var(&o.Rate, "rate", bedlam.DefaultRate, "journeys a second")
	f.StringVar(&o.Baseline, "baseline", "", "the result.json `FILE` of an earlier run: a figure that is worse, beyond doubt, is a FAIL")
	f.IntVar(&o.Pairs, "pairs", 0, "runs in pairs, one with the faults and one without: decides over `N` (at least 6), up to twice as many while a row is undecided")
	f.StringVar(&o.Arrivals, "arrivals", "poisson", "poisson or constant")
	f.StringVar(&o.Out, "out", "", "the run's folder, new or empty (default runs/<time>-seed<seed>)")
	f.StringVar(&o.Shop, "shop", "", "the shop program to break (default: the one beside this program)")
	return c
}

// foresee prints a schedule.
func foresee(w io.Writer, s chaos.Schedule) {
	for _, e := range s.Experiments {
		fmt.Fprintln(w, e.Name)
		for _, r := range e.Faults {
			length := "to the end"
			if r.Duration > 0 {
				length = "for " + r.Duration.String()
			}
			fmt.Fprintf(w, "%10s  %-10s  %s\n", "+"+r.At.String(), length, describe(r))
		}
	}
	if len(s.Experiments) > 0 {
		fmt.Fprintf(w, "A dry run: %d experiments, seed %d; nothing was touched.\n", len(s.Experiments), s.Seed)
	}
}

// isolationHelp is what every command that starts the shop says of it.
const isolationHelp = "auto, none or full: with engine process, whether each instance has a network namespace and cgroups of its own (default auto: full where a fault needs it and root on Linux can)"

func judgeCommand(code *int) *cobra.Command {
	return &cobra.Command{
		Use:     "judge DIR",
		Short:   "Judge a run again from its folder",
		Long:    "Reads a run's folder, judges it as if for the first time, writes its reports again\nand exits with its verdict. It never touches the machine.",
		Example: "  bedlam judge runs/2026-01-31T10-15-04-seed7",
		Args:    args(1, 1, "one folder"),
		RunE: func(_ *cobra.Command, words []string) error {
			res, err := bedlam.Judge(words[0])
			if res.Schema == "" {
				return err
			}
			// Also when the reports could not be written: the judgement stands.
			*code = res.Exit
			return errors.Join(report.Terminal(os.Stdout, res, report.TerminalOptions{Color: colored(os.Stdout)}), err)
		},
	}
}

func reportCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "report DIR",
		Short:   "Print the report of a judged run",
		Long:    "Prints what the run's judgement said (report.txt), and where the other reports are.",
		Example: "  bedlam report runs/2026-01-31T10-15-04-seed7",
		Args:    args(1, 1, "one folder"),
		RunE: func(_ *cobra.Command, words []string) error {
			text, files, err := bedlam.Reports(words[0])
			if err != nil {
				return err
			}
			fmt.Print(text)
			for _, f := range files {
				fmt.Println(shown(f))
			}
			return nil
		},
	}
}

// shown shortens a path to one from here, if that is shorter.
func shown(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(here, path); err == nil && len(rel) < len(path) {
		return rel
	}
	return path
}
