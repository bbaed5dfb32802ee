package bedlam

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/audit"
	"github.com/bedlamlab/bedlam/chaos/experiments"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/chaos/runner"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/topology"
)

// The files of a run's folder.
const (
	scheduleFile = "schedule.json"
	planFile     = "plan.json"
	journalFile  = "journal"
	historyFile  = "history"
	auditFolder  = "audit"
)

const (
	// warmUp is left out of the baseline: connections, prepared statements
	// and caches are made in it.
	warmUp = 3 * time.Second
	// quietMost bounds the wait for what is still under way after the load: the
	// sagas' own patience (15 s) and a reservation's (20 s in the shop's
	// topology) have to end in it.
	quietMost = 30 * time.Second
	// quietTwice is the time between two quiet reads: a row may be between two
	// tables for a moment.
	quietTwice = time.Second
)

// An Outcome is what a run came to.
type Outcome struct {
	Result chaos.Result
	Folder string // of the run
}

// Run does a run and judges it. An error that wraps [ErrUsage] means that
// nothing was started; with any other, Outcome.Result is still the judgement of
// what was recorded, if there is a folder.
func Run(ctx context.Context, o Options) (Outcome, error) {
	o, err := o.withDefaults()
	if err != nil {
		return Outcome{}, err
	}
	t := o.topology()
	es, schedule, err := plan(o, t)
	if err != nil {
		return Outcome{}, err
	}
	earlier, err := o.earlier(es)
	if err != nil {
		return Outcome{}, err
	}
	if o, err = o.isolated(actionsOf(es)...); err != nil {
		return Outcome{}, err
	}
	if err := o.able(ctx); err != nil {
		return Outcome{}, err
	}
	// Before anything is made; and what an earlier run has paused is not the doing
	// of a system's owner.
	if err := healFor(ctx, o, o.Engine); err != nil {
		return Outcome{}, err
	}
	if o.System != "" {
		if err := o.ready(ctx); err != nil {
			return Outcome{}, err
		}
	}
	began := time.Now()
	var out Outcome
	if out.Folder, err = runFolder(o.Out, began, fmt.Sprintf("seed%d", o.Seed)); err != nil {
		return Outcome{}, err
	}
	p := chaos.Plan{Schema: planSchema, Run: runID(began), Seed: o.Seed, Suite: schedule.Suite, Words: o.Words, Engine: o.Engine, Isolation: o.Isolation, Control: o.control, System: o.System, Lacks: o.lacks(), Version: Version,
		Commit: commit(), Machine: Machine(), Rate: o.Rate, Arrivals: o.Arrivals, Baseline: topology.Duration(runner.Baseline),
		Experiments: es, Topology: t, Started: began.UTC()}
	err = errors.Join(writeJSON(out.Folder, scheduleFile, schedule), writeJSON(out.Folder, planFile, p))
	if earlier != nil {
		err = errors.Join(err, writeJSON(out.Folder, earlierFile, earlier))
	}
	if err == nil {
		err = record(ctx, o, p, schedule, out.Folder)
	}
	o.Observe(Status{Step: "judging"})
	rec, judgeErr := readRecord(out.Folder)
	if judgeErr == nil {
		out.Result, judgeErr = judge(out.Folder, rec)
	}
	if judgeErr != nil {
		// Not the fault of what was asked for, as it would be in [Judge].
		err = errors.Join(err, fmt.Errorf("judging %s: %w", out.Folder, judgeErr))
	}
	return out, err
}

// Foresee returns the schedule that [Run] would follow, and does nothing.
func Foresee(o Options) (chaos.Schedule, error) {
	o, err := o.withDefaults()
	if err != nil {
		return chaos.Schedule{}, err
	}
	_, s, err := plan(o, o.topology())
	return s, err
}

// plan finds the experiments and draws the schedule.
func plan(o Options, t topology.System) ([]chaos.Experiment, chaos.Schedule, error) {
	es, err := experiments.Find(o.Words)
	if err != nil {
		return nil, chaos.Schedule{}, usage("%w", err)
	}
	for _, e := range es {
		if err := experiments.Fit(e, t); err != nil {
			return nil, chaos.Schedule{}, usage("%w", err)
		}
	}
	s, err := runner.Schedule(o.Seed, strings.Join(o.Words, " "), es, t)
	if err != nil {
		return nil, s, usage("%w", err)
	}
	return es, s, nil
}

// record does the run and writes everything down; it judges nothing.
func record(ctx context.Context, o Options, p chaos.Plan, schedule chaos.Schedule, folder string) (err error) {
	journal, err := runner.CreateJournal(filepath.Join(folder, journalFile))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, journal.Close()) }()
	s, err := open(ctx, o, p.Run, folder, p.Topology, fault.Aware(schedule)...)
	if err != nil {
		return err
	}
	runErr := perform(ctx, o, p, schedule, folder, s, journal)
	o.Observe(Status{Step: o.farewell(p.Topology.Name)})
	s.hurried = ctx.Err() != nil
	return errors.Join(runErr, s.close(context.WithoutCancel(ctx)))
}

// perform runs the schedule on a system that is up, under load.
func perform(ctx context.Context, o Options, p chaos.Plan, schedule chaos.Schedule, folder string, s *session, journal *runner.Journal) (err error) {
	if o.Engine == attached {
		if err := before(ctx, s.system, folder); err != nil {
			return err
		}
	}
	start := time.Now()
	history, err := loadgen.Create(filepath.Join(folder, historyFile), loadgen.Header{Schema: loadgen.Schema, Run: p.Run, Start: start, Seed: o.Seed, Rate: o.Rate})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, history.Close()) }()
	if err := journal.Write(chaos.Entry{Kind: chaos.RunStarted}); err != nil {
		return err
	}
	g, err := s.load(context.WithoutCancel(ctx), o, start, history)
	if err != nil {
		return err
	}
	abort, watches := map[string]float64{}, map[string]time.Duration{}
	for _, e := range p.Experiments {
		abort[e.Name], watches[e.Name] = e.Abort, e.Watch.D()
	}
	w := &watch{g: g, start: start, observe: o.Observe, of: len(schedule.Experiments)}
	for _, e := range schedule.Experiments {
		w.last = append(w.last, expected+watches[e.Name])
	}
	stop := w.every(500 * time.Millisecond)
	defer stop()
	w.progress(runner.Progress{Phase: "warm-up", Of: len(schedule.Experiments)})
	select {
	case <-time.After(warmUp):
	case <-ctx.Done():
	}
	runErr := runner.Run(ctx, runner.Options{System: s.system, Schedule: schedule, Abort: abort, Watch: watches, Control: p.Control, Journal: journal,
		Build: fault.Build, Supported: fault.Supported, Goodput: w.goodput, Spans: s.collector,
		Audit: func(ctx context.Context, name string, since time.Time) error {
			sources, err := stores(s.system)
			if err != nil {
				return err
			}
			if len(sources) == 0 {
				return errors.New(p.Lacks["audit"])
			}
			a, err := audit.ReadSince(ctx, sources, name, since)
			if err != nil {
				return err
			}
			return audit.Save(filepath.Join(folder, auditFolder), a)
		},
		Lease: s.leased, Observe: w.progress})
	g.StopArrivals()
	w.progress(runner.Progress{Phase: "quiet"})
	drain, cancel := context.WithTimeout(ctx, quietMost)
	drainErr := g.Drain(drain)
	cancel()
	if ctx.Err() != nil {
		return runErr // interrupted: there is no time to wait for quiescence
	}
	return errors.Join(runErr, drainErr, settle(ctx, s.system, journal, folder))
}

// settle waits until nothing is under way, and reads everything. Without any
// store to read, it says nothing of either.
func settle(ctx context.Context, system deploy.System, journal *runner.Journal, folder string) error {
	if err := journal.Write(chaos.Entry{Kind: chaos.LoadStopped}); err != nil {
		return err
	}
	sources, err := stores(system)
	if err != nil {
		return err
	}
	if len(sources) == 0 {
		return journal.Write(chaos.Entry{Kind: chaos.RunEnded})
	}
	left, err := quiescence(ctx, sources)
	if err != nil {
		return err
	}
	entry := chaos.Entry{Kind: chaos.Quiescent}
	if len(left) > 0 {
		entry = chaos.Entry{Kind: chaos.NotQuiescent, Detail: strings.Join(left, "; ")}
	}
	if err := journal.Write(entry); err != nil {
		return err
	}
	a, err := audit.Read(ctx, sources, "final", true)
	if err != nil {
		return fmt.Errorf("the final audit: %w", err)
	}
	if err := audit.Save(filepath.Join(folder, auditFolder), a); err != nil {
		return fmt.Errorf("the final audit: %w", err)
	}
	return journal.Write(chaos.Entry{Kind: chaos.RunEnded})
}

// quiescence waits for two quiet reads in a row; it returns what is left when
// it gives up.
func quiescence(ctx context.Context, sources []audit.Source) ([]string, error) {
	deadline := time.Now().Add(quietMost)
	quiet := 0
	for {
		left, err := audit.Pending(ctx, sources)
		if err != nil {
			return nil, fmt.Errorf("waiting for quiet: %w", err)
		}
		if len(left) > 0 {
			quiet = 0
		} else if quiet++; quiet == 2 {
			return nil, nil
		}
		if time.Now().After(deadline) && len(left) > 0 {
			return left, nil
		}
		select {
		case <-time.After(quietTwice):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// runFolder makes a run's folder: the one that was asked for, which may be
// there if it is empty, or a new one of that time and name under runs/.
func runFolder(asked string, t time.Time, name string) (string, error) {
	path := asked
	for n := 1; asked == ""; n++ {
		if err := os.MkdirAll("runs", 0o755); err != nil {
			return "", usage("making the folder of runs: %w", err)
		}
		path = filepath.Join("runs", t.UTC().Format("2006-01-02T15-04-05")+"-"+name)
		if n > 1 { // another run began in the same second
			path += fmt.Sprintf("-%d", n)
		}
		err := os.Mkdir(path, 0o755)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", usage("making the run's folder: %w", err)
		}
	}
	if entries, err := os.ReadDir(path); err == nil && len(entries) > 0 {
		return "", usage("%s is not empty: name a new folder with --out", path)
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return "", usage("making the run's folder: %w", err)
	}
	return filepath.Abs(path)
}

// writeJSON writes a file that is there whole or not at all, also when this
// process is killed in the middle.
func writeJSON(folder, name string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return replace(filepath.Join(folder, name), func(w io.Writer) error {
		_, err := w.Write(append(b, '\n'))
		return err
	})
}
