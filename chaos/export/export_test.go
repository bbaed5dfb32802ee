package export_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/export"
	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/services"
	"github.com/bedlamlab/bedlam/topology"
)

var start = time.Date(2026, 1, 31, 10, 15, 0, 0, time.UTC)

func at(s float64) time.Time { return start.Add(time.Duration(s * float64(time.Second))) }

// recorded are the spans of a run.
type recorded []collector.Span

func (r recorded) Trace(id collector.TraceID) []collector.Span {
	return slices.DeleteFunc(slices.Clone(r), func(s collector.Span) bool { return s.Trace != id })
}

func (r recorded) Between(from, to time.Time, yield func(collector.Span) bool) {
	for _, s := range slices.Backward(r) { // in no particular order
		if s.Start.Before(to) && s.End.After(from) && !yield(s) {
			return
		}
	}
}

// record is forty seconds of a shop whose bank was cut off from second 13 to
// 20: a request and two spans every tenth of a second.
func record() *chaos.Record {
	rec := &chaos.Record{
		Plan: chaos.Plan{Run: "r", Seed: 7, Topology: services.Shop()},
		Schedule: chaos.Schedule{Experiments: []chaos.ScheduledExperiment{{Name: "bank-cut-off", Faults: []chaos.Resolved{
			{ID: "bank-cut-off/1", Action: "partition", Links: []topology.Link{{From: "payment-1", To: "bank-1"}}}}}}},
		Header:  loadgen.Header{Schema: loadgen.Schema, Run: "r", Start: start, Seed: 7, Rate: 10},
		Journal: []chaos.Entry{{Time: at(13), Kind: chaos.ExperimentBegun, Experiment: "bank-cut-off"}},
	}
	var spans recorded
	for i := range 400 {
		s := float64(i) / 10
		r := loadgen.Request{Journey: uint64(i), Class: loadgen.ClassCheckout, Due: time.Duration(i) * 100 * time.Millisecond, Outcome: loadgen.OK, Status: 201, Gateway: "gateway-1"}
		r.Sent, r.Done = r.Due+time.Millisecond, r.Due+20*time.Millisecond
		r.TraceID[0], r.TraceID[1] = byte(i), byte(i>>8)+1
		down := s >= 13 && s < 20
		if down {
			r.Outcome, r.Status, r.Reason = loadgen.Failed, 503, `refused, "for now"`
		}
		rec.Requests = append(rec.Requests, r)
		id := collector.SpanID{byte(i), byte(i>>8) + 1}
		server := collector.Span{Trace: r.TraceID, ID: id, Service: "payment", Instance: "payment-1", Name: "bedlam.payment.v1.Payment/Charge", Kind: collector.Server,
			Start: at(s + 0.002), End: at(s + 0.012), Error: down}
		if down {
			server.Message, server.Code = "no bank", "UNAVAILABLE"
		}
		call := server
		call.ID[7], call.Parent, call.Kind, call.Peer, call.PeerInstance, call.Attempt = 1, id, collector.Client, "bank", "bank-1", 1
		spans = append(spans, server, call)
	}
	rec.Spans = spans
	return rec
}

func result() chaos.Result {
	return chaos.Result{Run: "r", Seed: 7, Experiments: []chaos.ExperimentResult{{Name: "bank-cut-off", Verdict: chaos.Fail,
		Injection: chaos.Injection{Status: "proven", Victims: []string{"payment-1->bank-1"}, Faults: []string{"partition"}},
		Baseline:  chaos.Window{From: 3, To: 13}, Fault: chaos.Window{From: 13, To: 20}, After: chaos.Window{From: 21, To: 39}}}}
}

func TestCSV(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	rec := record()
	if err := export.CSV(&b, rec); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil || len(rows) != 1+len(rec.Requests) {
		t.Fatalf("%d lines, %v; want a heading and %d", len(rows), err, len(rec.Requests))
	}
	want := []string{"150", "0", "checkout", "15.000000", "15.001000", "15.020000", "0.020000", "0.001000", "failed", "false", "503", `refused, "for now"`, "gateway-1"}
	if got := rows[151][:13]; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The library's own reader gets every latency back.
func TestHDR(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	rec := record()
	rec.Requests[7].Done += 2 * time.Hour                  // longer than is told apart
	rec.Requests[8].Done = rec.Requests[8].Due - time.Hour // a broken clock
	if err := export.HDR(&b, rec); err != nil {
		t.Fatal(err)
	}
	in := hdrhistogram.NewHistogramLogReader(&b)
	total, seconds := int64(0), 0
	for {
		h, err := in.NextIntervalHistogram()
		if err != nil {
			t.Fatal(err)
		}
		if h == nil {
			break
		}
		total += h.TotalCount()
		if seconds == 5 {
			if p := h.ValueAtQuantile(50); p < 19_900 || p > 20_100 || h.Tag() != loadgen.ClassCheckout {
				t.Errorf("second 5: median %d µs of %q, want about 20,000 of checkout", p, h.Tag())
			}
			if h.StartTimeMs() != at(5).UnixMilli() {
				t.Errorf("second 5 begins at %d, want %d", h.StartTimeMs(), at(5).UnixMilli())
			}
		}
		seconds++
	}
	if total != int64(len(rec.Requests)) || seconds != 40 {
		t.Errorf("%d latencies in %d histograms, want %d in 40", total, seconds, len(rec.Requests))
	}
}

// The OpenTelemetry collector's own types read the spans back.
func TestOTLP(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	rec := record()
	for range 3 { // more than a line holds
		rec.Spans = append(rec.Spans.(recorded), rec.Spans.(recorded)[0])
	}
	many := rec.Spans.(recorded)
	for i := range 600 {
		s := many[0]
		s.ID[6], s.ID[5] = byte(i), byte(i>>8)+1
		many = append(many, s)
	}
	rec.Spans = many
	if err := export.OTLP(&b, rec); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 2 {
		t.Errorf("%d lines, want 2 of at most a thousand spans", len(lines))
	}
	var got int
	failed := map[string]bool{}
	for _, line := range lines {
		td, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		got += td.SpanCount()
		for _, rs := range td.ResourceSpans().All() {
			if name, _ := rs.Resource().Attributes().Get("service.name"); name.Str() != "payment" {
				t.Errorf("spans of service %q", name.Str())
			}
			for _, ss := range rs.ScopeSpans().All() {
				for _, s := range ss.Spans().All() {
					if s.Status().Code() == ptrace.StatusCodeError {
						failed[s.TraceID().String()] = true
					}
				}
			}
		}
	}
	if got != len(many) {
		t.Errorf("%d spans came back of %d", got, len(many))
	}
	if id := collector.TraceID(rec.Requests[150].TraceID).String(); !failed[id] || len(failed) != 70 {
		t.Errorf("%d traces with errors, want 70, that of request 150 among them", len(failed))
	}
}

func TestRCAEval(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	logs := fstest.MapFS{
		"payment-1.log":  {Data: []byte(`{"time":"2026-01-31T10:15:14Z","level":"WARN","msg":"no bank","error":"refused","instance":"payment-1"}` + "\n" + `{"time":"2026-01-31T10:15:01Z","level":"INFO","msg":"before"}` + "\nno JSON\n")},
		"postgres-1.log": {Data: []byte("2026-01-31 10:15:14 UTC LOG: nothing\n")},
	}
	for n, want := range []string{"bank_partition/1", "bank_partition/2"} {
		got, err := export.RCAEval(dir, record(), result(), logs)
		if err != nil || len(got) != 1 || got[0] != filepath.Join(dir, want) {
			t.Fatalf("export %d: %v, %v; want %s", n+1, got, err, want)
		}
	}
	folder := filepath.Join(dir, "bank_partition", "1")
	if b, err := os.ReadFile(filepath.Join(folder, "inject_time.txt")); err != nil || string(b) != "1769854513\n" {
		t.Errorf("injected at %q, %v", b, err)
	}
	table := read(t, folder, "simple_metrics.csv")
	column := func(name string) int { return slices.Index(table[0], name) }
	if table[0][0] != "time" || column("payment_workload") < 0 || column("bank_latency-90") < 0 {
		t.Fatalf("heading %q", table[0])
	}
	if len(table) != 1+37 || table[1][0] != "1769854503" {
		t.Errorf("%d seconds from %s on, want 37 from the baseline on", len(table)-1, table[1][0])
	}
	before, during := table[1+5], table[1+15] // five and fifteen seconds after
	for what, c := range map[string][2]string{
		"asked before": {before[column("payment_workload")], "10"}, "failed before": {before[column("payment_error")], "0"},
		"failed during": {during[column("payment_error")], "10"}, "took": {before[column("payment_latency-50")], "10.000"},
		"who was not asked": {during[column("bank_latency-90")], "0"},
	} {
		if c[0] != c[1] {
			t.Errorf("%s: %s, want %s", what, c[0], c[1])
		}
	}
	if rows := read(t, folder, "traces.csv"); len(rows) < 700 || rows[0][1] != "traceID" || rows[1][3] != "payment" || rows[1][4] != "Charge" {
		t.Errorf("%d lines of traces, the first %q", len(rows), rows[1])
	}
	if rows := read(t, folder, "logs.csv"); len(rows) != 2 || rows[1][2] != "payment-1" || rows[1][3] != "no bank refused" {
		t.Errorf("logs: %q", rows)
	}
	var c export.Case
	b, err := os.ReadFile(filepath.Join(folder, "target.json"))
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil || c.RootCause.Node != "bank" || c.RootCause.Metric != "partition" || c.Command != "bedlam run --seed 7 bank-cut-off" {
		t.Errorf("target.json: %+v, %v", c, err)
	}
}

// A control is a case in which nobody is to be blamed, and an experiment whose
// fault was not there is none at all.
func TestRCAEvalOfNoFault(t *testing.T) {
	t.Parallel()
	rec, res := record(), result()
	rec.Plan.Control = true
	res.Experiments[0].Injection, res.Experiments[0].Fault, res.Experiments[0].After = chaos.Injection{Status: "none"}, chaos.Window{}, chaos.Window{}
	dir := t.TempDir()
	got, err := export.RCAEval(dir, rec, res, fstest.MapFS{})
	if err != nil || len(got) != 1 || got[0] != filepath.Join(dir, "none_none", "1") {
		t.Errorf("a control: %v, %v", got, err)
	}
	res = result()
	res.Experiments[0].Injection.Status = "unproven"
	if got, err := export.RCAEval(dir, record(), res, fstest.MapFS{}); err != nil || len(got) != 0 {
		t.Errorf("an unproven fault: %v, %v", got, err)
	}
}

func read(t *testing.T, folder, name string) [][]string {
	t.Helper()
	f, err := os.Open(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}
