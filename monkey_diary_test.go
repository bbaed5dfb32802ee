package bedlam

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	logpb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/monkey"
)

// TestEveryFaultIsInTheTelemetry: a span with the steps of its life, and a log
// line for each, in the span's trace.
func TestEveryFaultIsInTheTelemetry(t *testing.T) {
	var mu sync.Mutex
	var traces tracepb.ExportTraceServiceRequest
	var logs logpb.ExportLogsServiceRequest
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		b, err := io.ReadAll(q.Body)
		mu.Lock()
		defer mu.Unlock()
		into := map[string]proto.Message{"/v1/traces": &traces, "/v1/logs": &logs}[q.URL.Path]
		if err != nil || into == nil || (proto.UnmarshalOptions{Merge: true}).Unmarshal(b, into) != nil {
			t.Error(q.URL.Path, err)
		}
	}))
	defer s.Close()
	d, err := startDiary(t.Context(), s.URL, "shop")
	if err != nil {
		t.Fatal(err)
	}
	f := monkey.Fault{Resolved: chaos.Resolved{ID: "monkey/1", Action: "kill", Instances: []string{"cart-1"}}, Origin: monkey.Scheduled}
	for _, what := range []monkey.What{monkey.WasInjected, monkey.WasProven, monkey.WasLifted, monkey.IsGone} {
		f.Proven = f.Proven || what == monkey.WasProven
		d.write(monkey.Event{What: what, Fault: f})
	}
	d.write(monkey.Event{What: monkey.WasLeftOut, Fault: monkey.Fault{Resolved: chaos.Resolved{ID: "monkey/2"}}})
	if err := d.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	spans := traces.GetResourceSpans()[0].GetScopeSpans()[0].GetSpans()
	if len(spans) != 1 || spans[0].GetName() != "fault kill" || len(spans[0].GetEvents()) != 4 {
		t.Fatalf("%v", spans)
	}
	attributes := map[string]string{}
	for _, a := range append(spans[0].GetAttributes(), traces.GetResourceSpans()[0].GetResource().GetAttributes()...) {
		attributes[a.GetKey()] = a.GetValue().GetStringValue()
	}
	for key, want := range map[string]string{"service.name": "bedlam-monkey", "service.namespace": "shop", "bedlam.fault.id": "monkey/1", "bedlam.fault.targets": "cart-1"} {
		if attributes[key] != want {
			t.Errorf("%s: got %q, want %q", key, attributes[key], want)
		}
	}
	var lines []string
	for _, r := range logs.GetResourceLogs()[0].GetScopeLogs()[0].GetLogRecords() {
		lines = append(lines, r.GetBody().GetStringValue())
		if traced := string(r.GetTraceId()) == string(spans[0].GetTraceId()); traced == (r.GetBody().GetStringValue() == "fault left-out") {
			t.Errorf("%s: in the span's trace: %t", r.GetBody().GetStringValue(), traced)
		}
	}
	if want := []string{"fault injected", "fault proven", "fault lifted", "fault gone", "fault left-out"}; !slices.Equal(lines, want) {
		t.Errorf("got %q, want %q", lines, want)
	}
	if len(d.spans) > 0 {
		t.Errorf("what is gone is kept: %v", d.spans)
	}
}
