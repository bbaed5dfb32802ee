package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/bedlamlab/bedlam/chaos"
)

// exported writes a real run in every format.
func exported(t *testing.T, p place, dir string) {
	t.Helper()
	var res chaos.Result
	if err := json.Unmarshal(read(t, dir, "result.json"), &res); err != nil {
		t.Fatal(err)
	}
	lines := func(path string) []string {
		return strings.Split(strings.TrimSpace(string(read(t, p.dir, path))), "\n")
	}
	for _, format := range []string{"csv", "jsonl", "hdr", "otlp", "rcaeval"} {
		if code, _, wrong := p.run(t, "export", "recorded", "--format", format, "--out", "exported"); code != 0 {
			t.Errorf("export --format %s: exit code %d: %s", format, code, wrong)
			return
		}
	}
	if code, _, wrong := p.run(t, "export", "recorded", "--format", "csv", "--out", "exported"); code != exitUsage || strings.Count(wrong, "\n") != 1 {
		t.Errorf("export over a file: exit code %d: %s", code, wrong)
	}
	for _, name := range []string{"requests.csv", "requests.jsonl"} { // each with a heading
		if got := len(lines("exported/" + name)); got != res.Load.Requests+1 {
			t.Errorf("%s has %d lines, of %d requests", name, got, res.Load.Requests)
		}
	}
	if got := lines("exported/latencies.hlog"); len(got) < int(res.Seconds)/2 {
		t.Errorf("latencies.hlog has %d lines, of %.0f s", len(got), res.Seconds)
	}
	spans := 0
	for _, line := range lines("exported/traces.otlp.jsonl") {
		td, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		spans += td.SpanCount()
	}
	if spans < res.Load.Requests {
		t.Errorf("%d spans of %d requests", spans, res.Load.Requests)
	}
	if res.Experiments[0].Injection.Status == "proven" {
		for _, name := range []string{"simple_metrics.csv", "traces.csv", "logs.csv", "inject_time.txt", "target.json"} {
			if len(read(t, p.dir, filepath.Join("exported", "recommend_kill", "1", name))) == 0 {
				t.Errorf("%s is empty", name)
			}
		}
	}
}

// compared judges folders made of a real run: beside an earlier result, and as
// a pair of which the second run is its control.
func compared(t *testing.T, p place, dir string) {
	t.Helper()
	copied := func(to string) string {
		to = filepath.Join(p.dir, to)
		if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		return to
	}
	write := func(folder, name, text string) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	result := func(folder string) (r chaos.Result) {
		if err := json.Unmarshal(read(t, folder, "result.json"), &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	same := copied("beside itself")
	write(same, "baseline.json", string(read(t, dir, "result.json")))
	was := result(dir)
	if code, _, wrong := p.run(t, "judge", "beside itself"); code != was.Exit {
		t.Errorf("beside itself: exit code %d, was %d: %s", code, was.Exit, wrong)
	}
	if r := result(same); r.Regression == nil || r.Verdict != was.Verdict {
		t.Errorf("beside itself: %s, was %s: %+v", r.Verdict, was.Verdict, r.Regression)
	}
	write(same, "baseline.json", "{")
	if code, _, wrong := p.run(t, "judge", "beside itself"); code == 0 || !strings.Contains(wrong, "baseline.json is no result") {
		t.Errorf("beside a torn result: exit code %d: %s", code, wrong)
	}

	if err := os.Mkdir(filepath.Join(p.dir, "pair"), 0o755); err != nil {
		t.Fatal(err)
	}
	copied("pair/001-fault")
	control := copied("pair/001-control")
	write(control, "plan.json", strings.Replace(string(read(t, dir, "plan.json")), `"engine":`, `"control": true, "engine":`, 1))
	asked := `{"schema": "bedlam.pairs/1", "run": "r", "seed": 1, "words": ["recommend-down"], "engine": "process", "least": 6, "most": 12}`
	write(filepath.Join(p.dir, "pair"), "pairs.json", asked)
	code, _, wrong := p.run(t, "judge", "pair")
	if r := result(filepath.Join(p.dir, "pair")); code == 0 || code == exitUsage || r.Comparison == nil || r.Exit != code {
		t.Errorf("one pair of six: exit code %d: %s, %+v", code, wrong, r.Comparison)
	}
	for name, bad := range map[string]string{
		"later":    strings.Replace(asked, "pairs/1", "pairs/9", 1),
		"torn":     asked[:20],
		"no sense": strings.Replace(asked, "12", "2", 1),
	} {
		write(filepath.Join(p.dir, "pair"), "pairs.json", bad)
		if code, _, wrong := p.run(t, "judge", "pair"); code != exitUsage || strings.Count(wrong, "\n") != 1 {
			t.Errorf("%s pairs.json: exit code %d: %s", name, code, wrong)
		}
	}
}
