package bedlam

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/check"
	"github.com/bedlamlab/bedlam/chaos/export"
	"github.com/bedlamlab/bedlam/loadgen"
)

// An exporter writes one file out of a run.
type exporter struct {
	name  string // of the file
	write func(w io.Writer, folder string, rec *chaos.Record) error
}

// exporters are the formats that are one file; rcaeval is a folder of cases.
var exporters = map[string]exporter{
	"csv": {"requests.csv", func(w io.Writer, _ string, rec *chaos.Record) error { return export.CSV(w, rec) }},
	"jsonl": {"requests.jsonl", func(w io.Writer, folder string, _ *chaos.Record) error {
		return loadgen.Export(w, filepath.Join(folder, historyFile))
	}},
	"hdr":  {"latencies.hlog", func(w io.Writer, _ string, rec *chaos.Record) error { return export.HDR(w, rec) }},
	"otlp": {"traces.otlp.jsonl", func(w io.Writer, _ string, rec *chaos.Record) error { return export.OTLP(w, rec) }},
}

const casesFormat = "rcaeval"

// ExportFormats returns the names of the formats.
func ExportFormats() []string { return append(slices.Sorted(maps.Keys(exporters)), casesFormat) }

// Export writes a run in another tool's format into a folder, which is made if
// it is not there, and returns what it wrote. Of a folder of pairs each run is
// exported, into a folder of its own name. It never touches the run. An error
// that wraps [ErrUsage] means that nothing was written.
func Export(run, format, out string) ([]string, error) {
	if _, ok := exporters[format]; !ok && format != casesFormat {
		return nil, usage("unknown format %q (want one of %s)", format, strings.Join(ExportFormats(), ", "))
	}
	if !isPairs(run) {
		return exportRun(run, format, out)
	}
	runs, err := filepath.Glob(filepath.Join(run, "*-*", planFile))
	if err != nil || len(runs) == 0 {
		return nil, usage("%s holds no run of its pairs", run)
	}
	var written []string
	for _, r := range runs {
		to := out
		if format != casesFormat { // whose cases number themselves
			to = filepath.Join(out, filepath.Base(filepath.Dir(r)))
		}
		w, err := exportRun(filepath.Dir(r), format, to)
		if written = append(written, w...); err != nil {
			return written, err
		}
	}
	return written, nil
}

func exportRun(run, format, out string) ([]string, error) {
	rec, err := readRecord(run)
	if err != nil {
		return nil, usageError{fmt.Errorf("%s: %w", run, err)}
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return nil, usage("making the folder of the export: %w", err)
	}
	if format == casesFormat {
		return export.RCAEval(out, rec, check.Judge(rec), os.DirFS(filepath.Join(run, "logs")))
	}
	e := exporters[format]
	path := filepath.Join(out, e.name)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, usage("%w", err)
	}
	w := bufio.NewWriter(f)
	if err := errors.Join(e.write(w, run, rec), w.Flush(), f.Close()); err != nil {
		return nil, fmt.Errorf("writing %s: %w", path, err)
	}
	return []string{path}, nil
}
