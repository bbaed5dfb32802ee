package observability_test

import (
	"testing"

	"go.opentelemetry.io/otel"
	logpb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"

	"github.com/bedlamlab/bedlam/observability"
)

// TestAnAsideIsAside: what it says is sent as its own, and neither standard
// error nor the process's tracer know of it.
func TestAnAsideIsAside(t *testing.T) {
	r, lines := newReceiver(t), silence(t)
	before := otel.GetTracerProvider()
	a, err := observability.StartAside(t.Context(), who, r.URL+"/")
	if err != nil {
		t.Fatal(err)
	}
	ctx, span := a.Tracer.Start(t.Context(), "aside")
	a.Log.InfoContext(ctx, "said")
	span.End()
	if err := a.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if otel.GetTracerProvider() != before {
		t.Error("the process has another tracer")
	}
	if got := lines(); len(got) > 0 {
		t.Errorf("standard error: %s", got)
	}
	traces := read(t, r, "/v1/traces", func() *tracepb.ExportTraceServiceRequest { return &tracepb.ExportTraceServiceRequest{} })
	if len(traces) != 1 || traces[0].GetResourceSpans()[0].GetScopeSpans()[0].GetSpans()[0].GetName() != "aside" {
		t.Fatal(traces)
	}
	belongs(t, traces[0].GetResourceSpans()[0].GetResource().GetAttributes())
	logs := read(t, r, "/v1/logs", func() *logpb.ExportLogsServiceRequest { return &logpb.ExportLogsServiceRequest{} })
	if len(logs) != 1 || logs[0].GetResourceLogs()[0].GetScopeLogs()[0].GetLogRecords()[0].GetBody().GetStringValue() != "said" {
		t.Fatal(logs)
	}
	for _, endpoint := range []string{"", "127.0.0.1:4318"} {
		if _, err := observability.StartAside(t.Context(), who, endpoint); err == nil {
			t.Errorf("%q is taken for an endpoint", endpoint)
		}
	}
}
