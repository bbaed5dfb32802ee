package bedlam

import (
	"context"
	"slices"
	"time"

	"github.com/bedlamlab/bedlam/chaos/monkey"
	"github.com/bedlamlab/bedlam/topology"
)

// MonkeyOptions say what a monkey breaks, and how. Words are not used.
type MonkeyOptions struct {
	Options
	// Habits are the monkey's own; Seed and Start are the run's.
	Habits    monkey.Options
	Catalogue string   // a file of choices in place of the built-in ones
	Weights   []string // such as kill=3, over the catalogue's
	Replay    string   // a recording to do again, in place of a schedule
	For       time.Duration
	// DryRun does nothing, and returns what would be done in For, or in an
	// hour. A system that Bedlam did not start is safe from any other unless
	// the monkey is Unleashed.
	DryRun    bool
	Unleashed bool
	Control   string // where it can be told things, see [monkey.Listen]; empty: nowhere
	Listen    string // host:port of the storefront; empty: none
	// Ready is told where everything is, Tell what happens; both must not block.
	Ready func(MonkeyURLs)
	Tell  func(monkey.Event)
}

// MonkeyURLs say where a monkey and its system can be found.
type MonkeyURLs struct {
	URLs
	Control   string // host:port or unix:PATH
	Token     string // for the control API
	TokenFile string // that holds it
}

// The files of a monkey's folder, besides those of a run.
const (
	recordingFile = "recording"   // what was done, for a replay
	tokenFile     = "token"       // for the control API
	monkeyFile    = "monkey.json" // what it came to
)

// dryFor is how far ahead a dry run looks unless it is told.
const dryFor = time.Hour

// Monkey breaks a system again and again until ctx ends, [MonkeyOptions.For] is
// over or a replay is through; then it lifts all and audits the data. An error
// that wraps [ErrUsage] means that nothing was started, one that wraps
// [errors.ErrUnsupported] that nothing was harmed.
func Monkey(ctx context.Context, o MonkeyOptions) (MonkeyOutcome, error) {
	customers := o.Rate != 0
	base, err := o.Options.withDefaults()
	if err != nil {
		return MonkeyOutcome{}, err
	}
	if o.For < 0 {
		return MonkeyOutcome{}, usage("a monkey for %s: want a time, or 0 for ever", o.For)
	}
	o.Habits.Seed, o.Habits.Start = base.Seed, time.Now()
	d, base, err := o.deeds(base)
	if err != nil {
		return MonkeyOutcome{}, err
	}
	if o.DryRun || base.System != "" && !o.Unleashed {
		return o.dry(base, d), nil
	}
	m := &monkeyRun{MonkeyOptions: o, base: base, deeds: d, customers: customers}
	return m.do(ctx)
}

// dry says what would be done, as far as it can be known of what does not run.
func (o MonkeyOptions) dry(base Options, d deeds) MonkeyOutcome {
	length := o.For
	if length == 0 {
		length = dryFor
	}
	out := MonkeyOutcome{Dry: true, For: topology.Duration(length), LeftOut: d.leftOut, Assumed: d.assumed(base)}
	for f := range d.faults {
		if f.At.D() >= length {
			break
		}
		out.Planned = append(out.Planned, f)
	}
	out.Targets = d.choices
	slices.SortStableFunc(out.Targets, func(a, b monkey.Choice) int { return int(b.Weight*1e3) - int(a.Weight*1e3) })
	return out
}
