package observability_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	logpb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	metricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/proto"

	"github.com/bedlamlab/bedlam/observability"
)

var who = observability.Resource{Service: "payment", Instance: "payment-2", Zone: "b", System: "shop", Version: "v1"}

// receiver keeps the bodies that were sent to each path.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	sent map[string][][]byte
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{sent: map[string][][]byte{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.sent[q.URL.Path] = append(r.sent[q.URL.Path], body)
	}))
	t.Cleanup(r.Close)
	return r
}

// read decodes what was sent to a path into fresh messages.
func read[M proto.Message](t *testing.T, r *receiver, path string, fresh func() M) []M {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []M
	for _, body := range r.sent[path] {
		m := fresh()
		if err := proto.Unmarshal(body, m); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, m)
	}
	return all
}

// belongs checks that the attributes are those of who.
func belongs(t *testing.T, attributes []*commonpb.KeyValue) {
	t.Helper()
	got := map[string]string{}
	for _, a := range attributes {
		got[a.GetKey()] = a.GetValue().GetStringValue()
	}
	for key, want := range map[string]string{
		"service.name": "payment", "service.instance.id": "payment-2", "cloud.availability_zone": "b",
		"service.namespace": "shop", "service.version": "v1",
	} {
		if got[key] != want {
			t.Errorf("%s: got %q, want %q", key, got[key], want)
		}
	}
}

// TestShutdownLosesNothing emits one of each and ends at once.
func TestShutdownLosesNothing(t *testing.T) {
	r := newReceiver(t)
	silence(t)
	telemetry, err := observability.Start(t.Context(), who, r.URL+"/")
	if err != nil {
		t.Fatal(err)
	}
	ctx, span := otel.Tracer("test").Start(t.Context(), "work")
	telemetry.Log.InfoContext(ctx, "working", "on", "it")
	span.End()
	counter, err := otel.Meter("test").Int64Counter("works")
	if err != nil {
		t.Fatal(err)
	}
	counter.Add(ctx, 3)
	if err := telemetry.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}

	traces := read(t, r, "/v1/traces", func() *tracepb.ExportTraceServiceRequest { return &tracepb.ExportTraceServiceRequest{} })
	if len(traces) != 1 || traces[0].GetResourceSpans()[0].GetScopeSpans()[0].GetSpans()[0].GetName() != "work" {
		t.Errorf("traces: got %v, want one span called work", traces)
	} else {
		belongs(t, traces[0].GetResourceSpans()[0].GetResource().GetAttributes())
	}

	names := map[string]bool{}
	for _, m := range read(t, r, "/v1/metrics", func() *metricpb.ExportMetricsServiceRequest { return &metricpb.ExportMetricsServiceRequest{} }) {
		for _, rm := range m.GetResourceMetrics() {
			belongs(t, rm.GetResource().GetAttributes())
			for _, sm := range rm.GetScopeMetrics() {
				for _, one := range sm.GetMetrics() {
					names[one.GetName()] = true
				}
			}
		}
	}
	if !names["works"] || !names["go.goroutine.count"] {
		t.Errorf("metrics: got %v, want works and those of the Go runtime", names)
	}

	logs := read(t, r, "/v1/logs", func() *logpb.ExportLogsServiceRequest { return &logpb.ExportLogsServiceRequest{} })
	if len(logs) != 1 {
		t.Fatalf("logs: got %d requests, want 1", len(logs))
	}
	belongs(t, logs[0].GetResourceLogs()[0].GetResource().GetAttributes())
	record := logs[0].GetResourceLogs()[0].GetScopeLogs()[0].GetLogRecords()[0]
	id := span.SpanContext().TraceID()
	if record.GetBody().GetStringValue() != "working" || !bytes.Equal(record.GetTraceId(), id[:]) {
		t.Errorf("logs: got %v, want working, in the span's trace", record)
	}
}

func TestWithoutEndpointEverythingWorks(t *testing.T) {
	lines := silence(t)
	telemetry, err := observability.Start(t.Context(), who, "")
	if err != nil {
		t.Fatal(err)
	}
	member, err := baggage.NewMember("run", "7")
	if err != nil {
		t.Fatal(err)
	}
	bag, err := baggage.New(member)
	if err != nil {
		t.Fatal(err)
	}
	ctx, span := otel.Tracer("test").Start(baggage.ContextWithBaggage(t.Context(), bag), "work")
	carrier := propagation.MapCarrier{}
	otel.GetTextMapPropagator().Inject(ctx, carrier)
	if !strings.Contains(carrier["traceparent"], span.SpanContext().TraceID().String()) || carrier["baggage"] != "run=7" {
		t.Errorf("got %v, want the span's id and the baggage", carrier)
	}
	telemetry.Log.WarnContext(ctx, "careful")
	span.End()
	if err := telemetry.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	var line map[string]any
	if err := json.Unmarshal(lines()[0], &line); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"msg": "careful", "level": "WARN", "service": "payment", "instance": "payment-2",
		"trace_id": span.SpanContext().TraceID().String()} {
		if line[key] != want {
			t.Errorf("%s: got %v, want %q", key, line[key], want)
		}
	}
}

func TestAReceiverThatIsAwayIsNoTrouble(t *testing.T) {
	away := httptest.NewServer(http.NotFoundHandler())
	away.Close()
	silence(t)
	telemetry, err := observability.Start(t.Context(), who, away.URL)
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		_, span := otel.Tracer("test").Start(t.Context(), "work")
		span.End()
	}
	begun := time.Now()
	// That it fails is right; that it returns is the point.
	_ = telemetry.Shutdown(context.Background())
	if took := time.Since(begun); took > time.Minute {
		t.Errorf("shutting down took %s", took)
	}
}

func TestABadEndpointIsRefused(t *testing.T) {
	silence(t)
	for _, endpoint := range []string{"http://[::1", "127.0.0.1:4318", "ftp://127.0.0.1", "http://"} {
		if _, err := observability.Start(t.Context(), who, endpoint); err == nil {
			t.Errorf("%q is taken for an endpoint", endpoint)
		}
	}
}

func TestErrorsDoNotSpam(t *testing.T) {
	lines := silence(t)
	telemetry, err := observability.Start(t.Context(), who, "")
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		otel.Handle(errors.New("as told"))
	}
	if err := telemetry.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if got := len(lines()); got != 1 {
		t.Errorf("100 errors made %d lines, want 1", got)
	}
}

// silence catches standard error until lines is called, or the test ends.
func silence(t *testing.T) (lines func() [][]byte) {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "stderr")
	if err != nil {
		t.Fatal(err)
	}
	before := os.Stderr
	os.Stderr = f
	t.Cleanup(func() { os.Stderr = before; f.Close() })
	return func() [][]byte {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		var all [][]byte
		for s := bufio.NewScanner(f); s.Scan(); {
			all = append(all, bytes.Clone(s.Bytes()))
		}
		return all
	}
}
