package bedlam

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/check"
)

// pairsFile stands in the folder of a comparison, beside the folders of its
// runs.
const pairsFile = "pairs.json"

const (
	// LeastPairs is how many pairs a first decision needs: the range of six
	// holds their median with 97 %, that of five does not reach 95 %.
	LeastPairs = 6
	// mostPairs is a day's worth of runs.
	mostPairs = 500
)

// The folders of a pair's two runs, after its number.
const (
	faultRun   = "fault"
	controlRun = "control"
)

// RunPairs does o.Pairs pairs of runs and decides over them; while a row is
// undecided it does two more, up to twice as many as were asked for. A pair is
// one run with the faults and one without, with the same seed: the same
// customers ask for the same at the same moments. Which comes first alternates.
//
// Errors are those of [Run]. What was recorded until then is judged.
func RunPairs(ctx context.Context, o Options) (Outcome, error) {
	asked, earlier, o, err := o.pairs()
	if err != nil {
		return Outcome{}, err
	}
	began := time.Now()
	var out Outcome
	if out.Folder, err = runFolder(o.Out, began, fmt.Sprintf("seed%d-pairs", o.Seed)); err != nil {
		return Outcome{}, err
	}
	asked.Run = runID(began)
	if err := writeJSON(out.Folder, pairsFile, asked); err != nil {
		return Outcome{}, err
	}
	if earlier != nil {
		if err := writeJSON(out.Folder, earlierFile, earlier); err != nil {
			return Outcome{}, err
		}
	}
	var pairs []check.Pair
	var p chaos.Plan
	for n := 1; n <= asked.Most; n++ {
		if err = runPair(ctx, o, out.Folder, n, asked); err != nil {
			break
		}
		var pair check.Pair
		if pair, p, err = readPair(out.Folder, n); err != nil {
			break
		}
		pairs = append(pairs, pair)
		if pair.Broke() {
			break // harm has no excuse and needs no statistics
		}
		if n >= asked.Least && (n-asked.Least)%2 == 0 && decided(check.Together(asked, p, pairs)) {
			break
		}
	}
	if err != nil && !there(runOf(out.Folder, 1, controlRun)) {
		// Nothing was started: what was asked for is at fault, and leaves nothing.
		return Outcome{}, errors.Join(err, os.RemoveAll(out.Folder))
	}
	out.Result = check.Together(asked, p, pairs)
	return out, errors.Join(err, against(out.Folder, &out.Result), writeReports(out.Folder, out.Result))
}

// pairs says what is asked of the pairs, and refuses what makes no sense.
func (o Options) pairs() (chaos.Pairs, *chaos.Result, Options, error) {
	if o.Pairs < LeastPairs || o.Pairs > mostPairs {
		return chaos.Pairs{}, nil, o, usage("%d pairs: want %d to %d; fewer decide nothing", o.Pairs, LeastPairs, mostPairs)
	}
	full, err := o.withDefaults()
	if err != nil {
		return chaos.Pairs{}, nil, o, err
	}
	es, _, err := plan(full, full.topology())
	if err != nil {
		return chaos.Pairs{}, nil, o, err
	}
	earlier, err := full.earlier(es)
	if err != nil {
		return chaos.Pairs{}, nil, o, err
	}
	o.Observe, o.Baseline = full.Observe, "" // each run fills in the rest for itself
	return chaos.Pairs{Schema: chaos.PairsSchema, Seed: o.Seed, Words: full.Words, Engine: full.Engine, Least: o.Pairs, Most: 2 * o.Pairs}, earlier, o, nil
}

// runPair does the two runs of a pair. A run that fails to be judged is the
// comparison's to judge.
func runPair(ctx context.Context, o Options, folder string, n int, asked chaos.Pairs) error {
	kinds := []string{controlRun, faultRun}
	if n%2 == 0 { // a drift of the machine falls on both alike
		slices.Reverse(kinds)
	}
	for _, kind := range kinds {
		o.Observe(Status{Note: fmt.Sprintf("pair %d of %d to %d: %s", n, asked.Least, asked.Most, kind)})
		one := o
		one.Pairs, one.Seed, one.control = 0, asked.Seed+uint64(n-1), kind == controlRun
		one.Out = runOf(folder, n, kind)
		out, err := Run(ctx, one)
		if err != nil {
			return err
		}
		if out.Result.Exit == exitNotLifted {
			return fmt.Errorf("pair %d: what was broken could not be lifted, so that no further run is started", n)
		}
	}
	return nil
}

// exitNotLifted is a result's exit code for a system that is still broken.
const exitNotLifted = 4

func runOf(folder string, n int, kind string) string {
	return filepath.Join(folder, fmt.Sprintf("%03d-%s", n, kind))
}

// decided reports whether more pairs could change nothing.
func decided(r chaos.Result) bool {
	return r.Verdict == chaos.Fail ||
		!slices.ContainsFunc(r.Comparison.Rows, func(c chaos.ComparedRow) bool { return c.Verdict == chaos.Inconclusive })
}

// isPairs reports whether a folder is that of a comparison.
func isPairs(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, pairsFile))
	return err == nil
}

// judgePairs judges a comparison from its folder alone. A pair of which a run
// is missing is none.
func judgePairs(folder string) (chaos.Result, error) {
	var asked chaos.Pairs
	if err := readJSON(folder, pairsFile, &asked); err != nil {
		return chaos.Result{}, err
	}
	if asked.Schema != chaos.PairsSchema {
		return chaos.Result{}, fmt.Errorf("%s: written in format %q, which this version does not read (it reads %s)", pairsFile, asked.Schema, chaos.PairsSchema)
	}
	if asked.Least < 1 || asked.Most < asked.Least || asked.Most > 2*mostPairs {
		return chaos.Result{}, fmt.Errorf("%s: %d to %d pairs make no sense", pairsFile, asked.Least, asked.Most)
	}
	var p chaos.Plan
	var pairs []check.Pair
	for n := 1; n <= asked.Most && there(runOf(folder, n, faultRun)) && there(runOf(folder, n, controlRun)); n++ {
		var pair check.Pair
		var err error
		if pair, p, err = readPair(folder, n); err != nil {
			return chaos.Result{}, err
		}
		pairs = append(pairs, pair)
	}
	res := check.Together(asked, p, pairs)
	return res, against(folder, &res)
}

// readPair judges the two runs of a pair from their folders.
func readPair(folder string, n int) (check.Pair, chaos.Plan, error) {
	fault, control := runOf(folder, n, faultRun), runOf(folder, n, controlRun)
	rec, err := readRecord(fault)
	if err != nil {
		return check.Pair{}, chaos.Plan{}, fmt.Errorf("%s: %w", filepath.Base(fault), err)
	}
	p, pair := rec.Plan, check.Pair{Name: strconv.Itoa(n), Fault: check.Judge(rec)}
	if rec, err = readRecord(control); err != nil {
		return check.Pair{}, chaos.Plan{}, fmt.Errorf("%s: %w", filepath.Base(control), err)
	}
	pair.Control = check.Measure(rec, pair.Fault)
	return pair, p, nil
}

// there reports whether a run began in a folder.
func there(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, planFile))
	return err == nil
}
