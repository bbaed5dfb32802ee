// Command bedlam breaks a real shop under load and says how robust it is.
// `bedlam help` lists what it can do.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/bedlamlab/bedlam"
)

// The exit codes.
const (
	exitPass         = 0
	exitFail         = 1
	exitUsage        = 2
	exitInconclusive = 3
	exitNotLifted    = 4
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	code := exitPass
	root := root(&code)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return code
	case errors.Is(err, bedlam.ErrUsage) || errors.As(err, &badWord{}):
		// One line, however many causes there are.
		fmt.Fprintln(os.Stderr, "bedlam:", strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; "))
		return exitUsage
	}
	if err.Error() == context.Canceled.Error() { // nothing but Ctrl-C, in the library's words
		err = fmt.Errorf("cut short: %w", context.Cause(ctx))
	}
	fmt.Fprintln(os.Stderr, "bedlam:", err)
	// What could not be done proves nothing, and what was found meanwhile stands.
	if code == exitPass {
		return exitInconclusive
	}
	return code
}

// A badWord is an error of cobra's about flags, commands and their arguments.
type badWord struct{ error }

func root(code *int) *cobra.Command {
	c := &cobra.Command{
		Use:   "bedlam",
		Short: "Break a real shop under load and say how robust it is",
		Long: `Bedlam runs a shop of ten services on real PostgreSQL, sends it customers,
breaks it on purpose and judges, from the record, how robust it was.

Exit codes: 0 pass, 1 fail, 2 usage (nothing was started), 3 inconclusive,
4 something could not be lifted.`,
		Example: `  bedlam run                      the default suite
  bedlam run --seed 7 smoke       three experiments, seed 7
  bedlam list faults              what can be broken, and how
  bedlam judge runs/…             judge a run again from its folder`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return badWord{fmt.Errorf("%w (see %s --help)", err, c.CommandPath())}
	})
	c.CompletionOptions.HiddenDefaultCmd = true
	c.AddCommand(runCommand(code), aaCommand(code), monkeyCommand(code), upCommand(), listCommand(), judgeCommand(code), reportCommand(), exportCommand(), shrinkCommand(), healCommand(),
		doctorCommand(), postgresCommand(), composeCommand(), benchCommand(), versionCommand(), defectsCommand(code), verifyCommand(code), relayCommand(), guardCommand(), storeCommand(code), exhaustCommand(), impairCommand(), diskCommand(), lookUpCommand())
	return c
}

// noArgs refuses words that a command does not take.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return badWord{fmt.Errorf("unknown word %q for %s (see %s --help)", args[0], c.CommandPath(), c.CommandPath())}
	}
	return nil
}

// args wants a number of words.
func args(least, most int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return badWord{fmt.Errorf("%s takes %s (see %s --help)", c.CommandPath(), what, c.CommandPath())}
		}
		return nil
	}
}
