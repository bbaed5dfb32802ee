package bedlam

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/check"
)

// LeastAA is how many runs an A/A comparison needs: two.
const LeastAA = 2

// An AAReport says how often runs that nobody broke were called different.
type AAReport struct {
	Folder string
	Runs   int
	// Single are comparisons of one run with one, as [Options.Baseline] does
	// them; Paired are those over [LeastPairs] pairs, as [RunPairs] does them.
	Single, Paired Count
	Alarms         []string // what was said to differ
	Unfit          []string // runs that said nothing, and why
}

// A Count is of comparisons and of those that raised an alarm.
type Count struct{ Alarms, Of int }

// AA does so many runs in which nothing is injected, two and two with the same
// seed, and compares them as runs with faults are compared. No comparison
// shares a run with another of its kind, so that each is a trial of its own.
// Errors are those of [Run]; the report is of what was done until then.
func AA(ctx context.Context, o Options, runs int) (AAReport, error) {
	if runs < LeastAA || runs%2 != 0 || runs > 2*mostPairs {
		return AAReport{}, usage("%d runs: want an even number from %d to %d, since two and two are compared", runs, LeastAA, 2*mostPairs)
	}
	full, err := o.withDefaults()
	if err != nil {
		return AAReport{}, err
	}
	if _, _, err := plan(full, full.topology()); err != nil {
		return AAReport{}, err
	}
	o.Observe = full.Observe
	var r AAReport
	if r.Folder, err = runFolder(o.Out, time.Now(), fmt.Sprintf("seed%d-aa", o.Seed)); err != nil {
		return AAReport{}, err
	}
	asked := chaos.Pairs{Schema: chaos.PairsSchema, Seed: o.Seed, Words: full.Words, Engine: full.Engine, Least: LeastPairs, Most: LeastPairs}
	var pairs []check.Pair
	for n := 1; n <= runs/2; n++ {
		var folders [2]string
		for i, name := range []string{"a", "b"} {
			o.Observe(Status{Note: fmt.Sprintf("A/A %d of %d: run %s", n, runs/2, name)})
			one := o
			one.Seed, one.control, one.Out = o.Seed+uint64(n-1), true, filepath.Join(r.Folder, fmt.Sprintf("%03d-%s", n, name))
			if _, err := Run(ctx, one); err != nil {
				return r, err
			}
			folders[i] = one.Out
			r.Runs++
		}
		a, err := readRecord(folders[0])
		if err != nil {
			return r, err
		}
		b, err := readRecord(folders[1])
		if err != nil {
			return r, err
		}
		aa := check.Alarms(a, b)
		if aa.Unfit != "" {
			r.Unfit = append(r.Unfit, fmt.Sprintf("A/A %d: %s", n, aa.Unfit))
			continue
		}
		r.Single.add(aa.Alarm, &r.Alarms)
		if pairs = append(pairs, aa.Pair); len(pairs) == LeastPairs {
			r.Paired.add(check.AlarmOver(asked, a.Plan.Experiments, pairs), &r.Alarms)
			pairs = nil
		}
	}
	return r, nil
}

func (c *Count) add(alarm string, to *[]string) {
	c.Of++
	if alarm != "" {
		c.Alarms++
		*to = append(*to, alarm)
	}
}
