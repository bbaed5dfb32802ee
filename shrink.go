package bedlam

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/check"
	"github.com/bedlamlab/bedlam/chaos/experiments"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/chaos/runner"
	"github.com/bedlamlab/bedlam/chaos/shrink"
)

// DefaultShrinkRuns bounds a reduction unless another number is asked for: an
// experiment of one step takes about ten runs, half a minute each.
const DefaultShrinkRuns = 40

// ShrinkOptions say how a failing run is made smaller.
type ShrinkOptions struct {
	Experiment string // of the run; the first that failed
	Runs       int    // the most that are made; DefaultShrinkRuns
	Shop       string // as in [Options]: the program that failed
	Bedlam     string
	Observe    func(Status)
}

// A Shrunk is what a reduction came to.
type Shrunk struct {
	Experiment chaos.Experiment // the smallest that still fails
	Failure    chaos.Finding    // what it still shows: check and site are those of the run
	File       string           // that holds the experiment
	Report     string           // of the last run that showed it
	Before     shrink.Size
	After      shrink.Size
	Runs       int  // that were made now
	Known      int  // that an earlier reduction of the run had made
	Spent      bool // the bound on runs has ended it: something smaller may be there
}

// Shrink reduces an experiment that failed in the run of that folder, to a
// smallest one that fails in the same way: with the same check's finding at the
// same site. Each candidate is run on a shop of its own and kept below the
// run's folder, so that a reduction that was cut short goes on where it was.
//
// An error that wraps [ErrUsage] means that nothing was run: there is no such
// run, or none of its experiments failed.
func Shrink(ctx context.Context, folder string, o ShrinkOptions) (Shrunk, error) {
	rec, err := readRecord(folder)
	if err != nil {
		return Shrunk{}, usageError{fmt.Errorf("%s: %w", folder, err)}
	}
	if rec.Plan.System != "" {
		return Shrunk{}, usage("%s is a run on a system of your own, which does not begin anew with each run: reduce one of an engine's", folder)
	}
	failed, failure, err := failing(check.Judge(rec), o.Experiment)
	if err != nil {
		return Shrunk{}, usage("%s: %w", folder, err)
	}
	at := func(name string) bool { return name == failed }
	i := slices.IndexFunc(rec.Plan.Experiments, func(e chaos.Experiment) bool { return at(e.Name) })
	j := slices.IndexFunc(rec.Schedule.Experiments, func(e chaos.ScheduledExperiment) bool { return at(e.Name) })
	if i < 0 || j < 0 {
		return Shrunk{}, usage("%s: its plan has no experiment %s", folder, failed)
	}
	e, err := shrink.Explicit(rec.Plan.Experiments[i], rec.Schedule.Experiments[j], runner.HoldMost)
	if err != nil {
		return Shrunk{}, usage("%s: %s: %w", folder, failed, err)
	}
	if o.Runs == 0 {
		o.Runs = DefaultShrinkRuns
	}
	if o.Runs < 1 {
		return Shrunk{}, usage("%d runs: want at least 1", o.Runs)
	}
	r := &reduction{o: o, folder: filepath.Join(folder, "shrink"), failure: failure, options: Options{
		Engine: rec.Plan.Engine, Isolation: rec.Plan.Isolation, Seed: rec.Plan.Seed, Rate: rec.Plan.Rate, Arrivals: rec.Plan.Arrivals,
		Shop: o.Shop, Bedlam: o.Bedlam, Observe: o.Observe}}
	out := Shrunk{Failure: failure, Before: shrink.Of(e)}
	again, err := r.test(ctx, e)
	if err == nil && !again {
		err = fmt.Errorf("%s does not fail by itself: %s at %s was not found again", failed, failure.Check, failure.Site)
	}
	if err == nil {
		fits := func(c chaos.Experiment) error { return experiments.Fit(c, rec.Plan.Topology) }
		e, err = shrink.Reduce(ctx, e, shrink.Rules{Fits: fits, Milder: fault.Milder}, r.test)
	}
	out.Experiment, out.After, out.Runs, out.Known = e, shrink.Of(e), r.runs, r.known
	if out.Spent = errors.Is(err, shrink.ErrSpent); out.Spent {
		err = nil
	}
	if err != nil {
		return out, err
	}
	out.Report = filepath.Join(r.last, "report.html")
	out.File = filepath.Join(r.folder, e.Name+".yaml")
	b, err := experiments.Format(e)
	if err == nil {
		err = os.WriteFile(out.File, b, 0o644)
	}
	return out, err
}

// failing picks the experiment to reduce, by its name or the first that failed,
// and the finding by which its failure is known: its first.
func failing(res chaos.Result, name string) (string, chaos.Finding, error) {
	var failed []string
	for _, e := range res.Experiments {
		finding, ok := failure(e.Findings)
		if !ok && len(res.Experiments) == 1 { // nobody else can have done it
			finding, ok = failure(res.Findings)
		}
		if !ok {
			continue
		}
		if name == "" || e.Name == name {
			return e.Name, finding, nil
		}
		failed = append(failed, e.Name)
	}
	switch {
	case len(failed) > 0:
		return "", chaos.Finding{}, fmt.Errorf("%s did not fail (those that did: %s)", name, strings.Join(failed, ", "))
	case res.Verdict == chaos.Fail:
		return "", chaos.Finding{}, errors.New("what failed belongs to no single experiment: run them one by one, and reduce the one that fails")
	}
	return "", chaos.Finding{}, fmt.Errorf("its verdict is %s: there is no failure to reduce", res.Verdict)
}

func failure(fs []chaos.Finding) (chaos.Finding, bool) {
	i := slices.IndexFunc(fs, func(f chaos.Finding) bool { return f.Verdict == chaos.Fail })
	if i < 0 {
		return chaos.Finding{}, false
	}
	return fs[i], true
}

// A reduction runs candidates and remembers them by what is in their files.
type reduction struct {
	o       ShrinkOptions
	options Options
	folder  string
	failure chaos.Finding

	runs, known int
	last        string // the folder of the last that failed
}

// repeats is how often a candidate is run whose run tells nothing.
const repeats = 2

// test runs a candidate, unless it was run before, and reports whether it fails
// as the reduced run did. One that stays inconclusive counts as one that does
// not: what is smaller must be as sure as what it replaces.
func (r *reduction) test(ctx context.Context, e chaos.Experiment) (bool, error) {
	b, err := experiments.Format(e)
	if err != nil {
		return false, err
	}
	at := filepath.Join(r.folder, fmt.Sprintf("%x", sha256.Sum256(b))[:12])
	file := filepath.Join(at, e.Name+".yaml")
	if err := os.MkdirAll(at, 0o755); err != nil {
		return false, err
	}
	if err := os.WriteFile(file, b, 0o644); err != nil {
		return false, err
	}
	for try := 1; try <= repeats; try++ {
		run := filepath.Join(at, fmt.Sprintf("run%d", try))
		res, err := r.run(ctx, file, run)
		if err != nil {
			return false, err
		}
		if r.same(res) {
			r.last = run
			return true, nil
		}
		if res.Verdict != chaos.Inconclusive {
			break
		}
	}
	return false, nil
}

// run does one run, or reads it again.
func (r *reduction) run(ctx context.Context, file, folder string) (chaos.Result, error) {
	var res chaos.Result
	if readJSON(folder, "result.json", &res) == nil && res.Schema == chaos.ResultSchema {
		r.known++
		return res, nil
	}
	if r.runs >= r.o.Runs {
		return res, shrink.ErrSpent
	}
	if err := os.RemoveAll(folder); err != nil { // of one that was cut short
		return res, err
	}
	r.runs++
	o := r.options
	o.Words, o.Out = []string{file}, folder
	out, err := Run(ctx, o)
	if ctx.Err() != nil { // a run cut short is none
		return res, errors.Join(context.Cause(ctx), os.RemoveAll(folder))
	}
	return out.Result, err
}

// same reports whether a result shows the failure that is looked for.
func (r *reduction) same(res chaos.Result) bool {
	is := func(f chaos.Finding) bool {
		return f.Verdict == chaos.Fail && f.Check == r.failure.Check && f.Site == r.failure.Site
	}
	return slices.ContainsFunc(res.Findings, is) ||
		slices.ContainsFunc(res.Experiments, func(e chaos.ExperimentResult) bool { return slices.ContainsFunc(e.Findings, is) })
}
