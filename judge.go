package bedlam

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/audit"
	"github.com/bedlamlab/bedlam/chaos/check"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/chaos/report"
	"github.com/bedlamlab/bedlam/chaos/runner"
	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/observability/collector"
)

const (
	planSchema     = "bedlam.plan/1"
	scheduleSchema = "bedlam.schedule/1"
)

// Judge judges a run from its folder alone and writes its reports into it.
// An error that wraps [ErrUsage] means that the folder holds no run that this
// version can read; other errors are about writing the reports.
func Judge(folder string) (chaos.Result, error) {
	if isPairs(folder) {
		res, err := judgePairs(folder)
		if err != nil {
			return chaos.Result{}, usageError{fmt.Errorf("%s: %w", folder, err)}
		}
		return res, writeReports(folder, res)
	}
	rec, err := readRecord(folder)
	if err != nil {
		return chaos.Result{}, usageError{fmt.Errorf("%s: %w", folder, err)}
	}
	return judge(folder, rec)
}

// judge judges a record and writes the reports into its folder.
func judge(folder string, rec *chaos.Record) (chaos.Result, error) {
	res := check.Judge(rec)
	if err := against(folder, &res); err != nil {
		return res, err
	}
	return res, writeReports(folder, res)
}

// reports are the files that a judgement leaves in a run's folder.
var reports = map[string]func(io.Writer, chaos.Result) error{
	"result.json": report.JSON,
	"report.txt":  func(w io.Writer, r chaos.Result) error { return report.Terminal(w, r, report.TerminalOptions{}) },
	"report.html": report.HTML,
	"junit.xml":   report.JUnit,
	"summary.md":  report.Markdown,
}

// writeReports replaces the reports, each at once: a reader sees the old one
// or the new one.
func writeReports(folder string, res chaos.Result) error {
	var errs []error
	for name, write := range reports {
		errs = append(errs, replace(filepath.Join(folder, name), func(w io.Writer) error { return write(w, res) }))
	}
	return errors.Join(errs...)
}

func replace(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already if all went well
	err = errors.Join(write(f), f.Chmod(0o644), f.Close())
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return os.Rename(f.Name(), path)
}

// readRecord reads what a run left behind. What is torn is said in the record;
// what is wrong is an error.
func readRecord(folder string) (*chaos.Record, error) {
	if info, err := os.Stat(folder); err != nil {
		return nil, errors.New("there is no such folder")
	} else if !info.IsDir() {
		return nil, errors.New("not a folder: name the folder of a run")
	}
	rec := &chaos.Record{Faults: map[string]chaos.Fault{}}
	if err := readJSON(folder, planFile, &rec.Plan); err != nil {
		return nil, err
	}
	if err := readJSON(folder, scheduleFile, &rec.Schedule); err != nil {
		return nil, err
	}
	if rec.Plan.Schema != planSchema || rec.Schedule.Schema != scheduleSchema {
		return nil, fmt.Errorf("written in formats %q and %q, which this version does not read (it reads %s and %s)",
			rec.Plan.Schema, rec.Schedule.Schema, planSchema, scheduleSchema)
	}
	for _, e := range rec.Schedule.Experiments {
		for _, r := range e.Faults {
			f, err := fault.Build(r)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", scheduleFile, err)
			}
			rec.Faults[r.ID] = f
		}
	}
	tear := func(torn ...string) {
		for _, t := range torn {
			if t != "" {
				rec.Torn = append(rec.Torn, t)
			}
		}
	}
	missing := func(what string, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			tear("there is no " + what)
			return nil
		}
		return err
	}
	var torn string
	var err error
	rec.Journal, torn, err = runner.ReadJournal(filepath.Join(folder, journalFile))
	if tear(torn); missing("journal", err) != nil {
		return nil, err
	}
	for _, e := range rec.Journal {
		if f, ok := rec.Faults[e.ID].(chaos.Accountant); ok && e.Kind == chaos.Accounted {
			if err := f.Recall(e.Detail); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", journalFile, e.ID, err)
			}
		}
	}
	rec.Header, rec.Requests, torn, err = loadgen.Read(filepath.Join(folder, historyFile))
	if tear(torn); missing("history", err) != nil {
		return nil, err
	}
	if rec.Header.Start.IsZero() {
		rec.Header.Start = rec.Plan.Started
	}
	if rec.Events, torn, err = readEvents(filepath.Join(folder, eventsFile)); err != nil {
		return nil, err
	}
	tear(torn)
	spans, tears, err := collector.Load(folder)
	if tear(tears...); missing("recording of spans", err) != nil {
		return nil, err
	}
	if spans == nil {
		spans = &collector.Store{} // an empty one: the run ended before its collector began
	}
	rec.Spans, rec.Levels = spans, spans
	if rec.Plan.Lacks["audit"] != "" {
		return rec, nil // nothing is missing that could be there
	}
	rec.Audits, tears, err = audit.Load(filepath.Join(folder, auditFolder))
	if tear(tears...); missing("audit", err) != nil {
		return nil, err
	}
	return rec, nil
}

func readJSON(folder, name string, v any) error {
	b, err := os.ReadFile(filepath.Join(folder, name))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no run: it has no %s", name)
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// Reports returns the text report of a judged run and the paths of its other
// reports. It never judges and never touches the machine.
func Reports(folder string) (text string, files []string, err error) {
	b, err := os.ReadFile(filepath.Join(folder, "report.txt"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, usage("%s holds no report: judge it first with bedlam judge", folder)
	}
	if err != nil {
		return "", nil, usage("%w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(reports)) {
		files = append(files, filepath.Join(folder, name))
	}
	return string(b), files, nil
}
