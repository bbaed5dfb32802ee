package observability_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	metricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"

	"github.com/bedlamlab/bedlam/observability"
)

// held returns the last value that was sent of each metric that goes up and
// down and has no attributes.
func held(t *testing.T, r *receiver) map[string]int64 {
	t.Helper()
	all := map[string]int64{}
	for _, m := range read(t, r, "/v1/metrics", func() *metricpb.ExportMetricsServiceRequest { return &metricpb.ExportMetricsServiceRequest{} }) {
		for _, rm := range m.GetResourceMetrics() {
			for _, sm := range rm.GetScopeMetrics() {
				for _, one := range sm.GetMetrics() {
					for _, p := range one.GetSum().GetDataPoints() {
						if p.GetStartTimeUnixNano() == 0 {
							t.Errorf("%s does not say when its life began", one.GetName())
						}
						if len(p.GetAttributes()) == 0 {
							all[one.GetName()] = p.GetAsInt()
						}
					}
				}
			}
		}
	}
	return all
}

// TestWhatAProcessHolds opens files and leaves a request unanswered.
func TestWhatAProcessHolds(t *testing.T) {
	const more = 40
	count := func(opened int, busy bool) map[string]int64 {
		r := newReceiver(t)
		silence(t)
		telemetry, err := observability.Start(t.Context(), who, r.URL)
		if err != nil {
			t.Fatal(err)
		}
		for range opened {
			f, err := os.Open(os.DevNull)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
		}
		arrived, release, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
		serve := otelhttp.NewHandler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(arrived); <-release }), "test")
		go func() {
			defer close(done)
			serve.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		}()
		<-arrived
		if !busy {
			close(release)
			<-done
		}
		if err := telemetry.Shutdown(t.Context()); err != nil { // sends what there is now
			t.Fatal(err)
		}
		if busy {
			close(release)
			<-done
		}
		return held(t, r)
	}
	few, many := count(0, false), count(more, true)
	const files, active = "process.unix.file_descriptor.count", "http.server.active_requests"
	if few[files] < 3 || many[files] < few[files]+more {
		t.Errorf("%d files are open, then %d: want %d more", few[files], many[files], more)
	}
	if n, told := few[active]; n != 0 || !told || many[active] != 1 {
		t.Errorf("%d requests were in flight (told: %t), then %d; want 0, then 1", n, told, many[active])
	}
	if _, told := few["rpc.server.active_requests"]; told {
		t.Error("a process that serves no gRPC says how many of its requests are in flight")
	}
}
