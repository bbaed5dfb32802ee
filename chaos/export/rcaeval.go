package export

import (
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
)

// noFault labels a case in which nothing was injected: an analyser that blames
// somebody there raises a false alarm.
const noFault = "none"

// A Case says what an analyser should have found: target.json.
type Case struct {
	Target    Symptom `json:"target"`
	RootCause Cause   `json:"root_cause"`
	Run       string  `json:"run"`
	Seed      uint64  `json:"seed"`
	Verdict   string  `json:"verdict"` // of the experiment
	Command   string  `json:"command"` // that repeats it
}

// A Symptom is what was seen, where customers are.
type Symptom struct {
	Node        string `json:"node"`
	Metric      string `json:"metric"`
	Aggregation string `json:"agg"`
	Timestamp   int64  `json:"timestamp"` // seconds since 1970, of the injection
}

// A Cause is what was done, and to whom.
type Cause struct {
	Node    string   `json:"node"`   // the service
	Metric  string   `json:"metric"` // the fault's name
	Victims []string `json:"victims"`
	Faults  []string `json:"faults"`
}

// RCAEval writes a folder for each experiment whose fault was proven, in the
// layout of the RCAEval data sets (RE2), <service>_<fault>/<number>/:
//
//	simple_metrics.csv  time and <service>_<metric>, a line a second
//	traces.csv logs.csv what the services said meanwhile
//	inject_time.txt     seconds since 1970
//	target.json         who was harmed, how, and the command that repeats it
//
// A control's experiments are cases of nobody: none_none. logs is the folder of
// the run's log files. It returns the folders that it wrote; a case that is
// there already gets the next number.
func RCAEval(folder string, rec *chaos.Record, res chaos.Result, logs fs.FS) ([]string, error) {
	var written []string
	from := time.Duration(0)
	for _, e := range res.Experiments {
		w, injected, ok := window(rec, e, from)
		from = seconds(e.After.From)
		if !ok {
			continue
		}
		path, err := caseFolder(folder, label(rec, e))
		if err != nil {
			return written, err
		}
		c := Case{Run: res.Run, Seed: res.Seed, Verdict: e.Verdict.String(), Command: fmt.Sprintf("bedlam run --seed %d %s", res.Seed, e.Name),
			Target:    Symptom{Node: "gateway", Metric: "error", Aggregation: "sum", Timestamp: injected.Unix()},
			RootCause: Cause{Node: service(rec, e.Name), Metric: action(rec, e.Name), Victims: e.Injection.Victims, Faults: e.Injection.Faults}}
		for name, write := range map[string]func(io.Writer) error{
			"simple_metrics.csv": func(out io.Writer) error { return metrics(out, rec, w) },
			"traces.csv":         func(out io.Writer) error { return traces(out, rec, w) },
			"logs.csv":           func(out io.Writer) error { return logLines(out, logs, w) },
			"inject_time.txt":    func(out io.Writer) error { _, err := fmt.Fprintln(out, injected.Unix()); return err },
			"target.json": func(out io.Writer) error {
				j := json.NewEncoder(out)
				j.SetIndent("", "  ")
				return j.Encode(c)
			},
		} {
			if err := file(filepath.Join(path, name), write); err != nil {
				return written, err
			}
		}
		written = append(written, path)
	}
	return written, nil
}

// A span of time that a case covers.
type stretch struct{ from, to time.Time }

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// window is the time of a case: from when all was well to the end of what came
// after. Of a control the whole of the run is one.
func window(rec *chaos.Record, e chaos.ExperimentResult, from time.Duration) (stretch, time.Time, bool) {
	start := rec.Header.Start
	if rec.Plan.Control {
		for _, entry := range rec.Journal {
			if entry.Kind == chaos.ExperimentBegun && entry.Experiment == e.Name {
				return stretch{start.Add(seconds(e.Baseline.From)), entry.Time.Add(caseAfter)}, entry.Time, true
			}
		}
		return stretch{}, time.Time{}, false
	}
	begin := max(from, seconds(e.Baseline.From))
	return stretch{start.Add(begin), start.Add(seconds(max(e.After.To, e.Fault.To)))}, start.Add(seconds(e.Fault.From)), e.Injection.Status == "proven"
}

// caseAfter is how much of a control stands after the moment at which nothing
// was injected: about as much as an experiment takes.
const caseAfter = 20 * time.Second

// label is the name of a case's folder.
func label(rec *chaos.Record, e chaos.ExperimentResult) string {
	return service(rec, e.Name) + "_" + action(rec, e.Name)
}

// first is the fault that a case is named after.
func first(rec *chaos.Record, experiment string) (chaos.Resolved, bool) {
	for _, s := range rec.Schedule.Experiments {
		if s.Name == experiment && len(s.Faults) > 0 && !rec.Plan.Control {
			return s.Faults[0], true
		}
	}
	return chaos.Resolved{}, false
}

func action(rec *chaos.Record, experiment string) string {
	if f, ok := first(rec, experiment); ok {
		return f.Action
	}
	return noFault
}

// service is the one that was harmed; of an edge the one that was called, which
// its caller cannot tell from one that is broken itself.
func service(rec *chaos.Record, experiment string) string {
	f, ok := first(rec, experiment)
	name := ""
	switch {
	case !ok:
		return noFault
	case len(f.Instances) > 0:
		name = f.Instances[0]
	case len(f.Links) > 0:
		name = f.Links[0].To
	}
	for _, s := range rec.Plan.Topology.Services {
		if strings.HasPrefix(name, s.Name+"-") {
			return s.Name
		}
	}
	return noFault
}

// caseFolder makes the next numbered folder of a label.
func caseFolder(folder, label string) (string, error) {
	for n := 1; ; n++ {
		path := filepath.Join(folder, label, fmt.Sprint(n))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return "", err
		}
		err := os.Mkdir(path, 0o755)
		if err == nil || !errors.Is(err, fs.ErrExist) {
			return path, err
		}
	}
}

func file(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
