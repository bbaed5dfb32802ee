// Package bedlam breaks a real shop under load and says, from the record, how
// robust it was. It composes a run out of the parts in the folders below.
//
//	out, err := bedlam.Run(ctx, bedlam.Options{Words: []string{"smoke"}, Seed: 7})
//	fmt.Println(out.Result.Verdict, out.Folder)
//
// [Run] does a run and judges it, [Judge] judges a run again from its folder,
// [Up] only starts the shop and its customers, [Heal] puts right what earlier
// runs left when they were cut short, and [Doctor] says what this machine can
// do.
package bedlam

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam/chaos/runner"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/attach"
	"github.com/bedlamlab/bedlam/deploy/docker"
	"github.com/bedlamlab/bedlam/deploy/process"
	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// Version is Bedlam's own, as `bedlam version` prints it.
const Version = "0.1.0"

// DefaultRate is the load unless another is asked for, in journeys a second:
// about 140 requests a second, so that the ten seconds of a baseline have the
// thousand requests that a 99th percentile needs, and two cores stay free
// enough for faults to be what is measured.
const DefaultRate = 40

// Options say what to run. The zero value of a field means its default.
type Options struct {
	Engine string // process or docker; process
	System string // a file that names a system which runs already (see deploy/attach), in place of Engine and Shop
	// Isolation is auto, none or full: whether instances of the engine process
	// have a network namespace and cgroups of their own; auto, which is none
	// unless an experiment has a fault that needs it.
	Isolation string
	Words     []string // experiments, suites or files; default
	Seed      uint64
	Rate      float64 // journeys a second; DefaultRate
	Arrivals  string  // poisson or constant; poisson
	Pairs     int     // of runs, one with the faults and one without; 0: one run
	Baseline  string  // result.json of an earlier run: what is worse than there fails; none
	Out       string  // the run's folder, made, or empty; runs/<time>-seed<seed>
	Shop      string  // path of the shop program; the one beside Bedlam
	Bedlam    string  // path of the bedlam program, which is guard and relay; this program
	Observe   func(Status)

	without *lacking          // what [Ablate] has off
	control bool              // nothing is injected: another run is compared with this one
	auto    bool              // Isolation was left open
	disks   bool              // stores have disks of their own, where the machine can
	names   bool              // a fault of the run needs instances that find one another by names
	file    attach.File       // that System names
	forward collector.Forward // where telemetry goes besides, as the environment says
}

// A Status says where a run is, once or twice a second and at each change.
type Status struct {
	runner.Progress
	Note string // if there is one, it stands alone: something to be told whatever is done next
	Step string // while the system is brought up or taken down: what is done
	Live loadgen.Live
	Left time.Duration // estimate of what is left of the run
}

// ErrUsage is wrapped by errors about what was asked for: nothing was started.
var ErrUsage = errors.New("usage")

func usage(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// A usageError reads as its cause does and is ErrUsage besides.
type usageError struct{ error }

func (e usageError) Unwrap() []error { return []error{e.error, ErrUsage} }

// engines are the ways of running a system. To add one, add its row.
var engines = map[string]struct {
	make func(isolation string) deploy.Engine
	text string
}{
	"process": {func(isolation string) deploy.Engine { return process.New(process.Options{Isolation: isolation}) }, "each instance is a process of this machine; no root, no Docker"},
	"docker":  {func(string) deploy.Engine { return docker.New() }, "each instance is a container of this machine's Docker daemon"},
}

// Engines returns the names of the engines.
func Engines() []string { return slices.Sorted(maps.Keys(engines)) }

func engine(name, isolation string) (deploy.Engine, error) {
	if name == attached {
		return docker.NewAttached(attach.File{}), nil // for what was left: it knows the rest
	}
	e, ok := engines[name]
	if !ok {
		return nil, usage("unknown engine %q (want one of %s)", name, strings.Join(Engines(), ", "))
	}
	return e.make(isolation), nil
}

// able returns an error if there is no such engine or this machine has not got
// what it needs.
func (o Options) able(ctx context.Context) error {
	e, err := o.engine()
	if err != nil {
		return err
	}
	if c, ok := e.(deploy.Checker); ok {
		return c.Check(ctx)
	}
	return nil
}

// withDefaults fills in what was left open and refuses what makes no sense.
func (o Options) withDefaults() (Options, error) {
	switch {
	case o.System != "":
		var err error
		if o, err = o.attach(); err != nil {
			return o, err
		}
	case o.Engine == "":
		o.Engine = "process"
	case o.Engine == attached:
		return o, usage("engine %s is what a system that runs already has: name its file with --system", attached)
	}
	var err error
	if o, err = o.isolated(); err != nil {
		return o, err
	}
	if len(o.Words) == 0 {
		o.Words = []string{"default"}
	}
	if o.Rate == 0 {
		o.Rate = DefaultRate
	}
	if o.Arrivals == "" {
		o.Arrivals = loadgen.Poisson
	}
	if o.Observe == nil {
		o.Observe = func(Status) {}
	}
	if _, err := loadgen.NewArrivals(o.Arrivals, o.Seed, o.Rate); err != nil {
		return o, usage("%w", err)
	}
	if o.forward, err = collector.ForwardFromEnv(os.Getenv); err != nil {
		return o, usage("%w", err)
	}
	if o.Bedlam == "" {
		if o.Bedlam, err = os.Executable(); err != nil {
			return o, err
		}
	}
	if o.Engine == attached {
		return o, runnable("bedlam", o.Bedlam)
	}
	if o.Shop == "" {
		o.Shop = filepath.Join(filepath.Dir(o.Bedlam), "shop")
	}
	return o, errors.Join(runnable("bedlam", o.Bedlam), runnable("shop", o.Shop))
}

// runnable refuses what cannot be a program.
func runnable(name, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return usage("no %s program at %s: build it with make build", name, path)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return usage("the %s program %s is no file that can be run", name, path)
	}
	return nil
}
