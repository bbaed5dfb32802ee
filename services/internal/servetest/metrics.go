package servetest

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/protobuf/proto"
)

// Held is a receiver of telemetry that looks at what processes say they hold.
type Held struct {
	URL    string // the telemetry endpoint of an assignment
	mu     sync.Mutex
	values map[string]int64
}

// NewHeld starts one, until the test ends.
func NewHeld(t testing.TB) *Held {
	t.Helper()
	h := &Held{values: map[string]int64{}}
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil || q.URL.Path != "/v1/metrics" {
			return
		}
		var batch metricspb.ExportMetricsServiceRequest
		if err := proto.Unmarshal(body, &batch); err != nil {
			t.Errorf("what was sent is no OTLP: %v", err)
			return
		}
		h.take(&batch)
	}))
	t.Cleanup(s.Close)
	h.URL = s.URL
	return h
}

func (h *Held) take(batch *metricspb.ExportMetricsServiceRequest) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, rm := range batch.GetResourceMetrics() {
		for _, sm := range rm.GetScopeMetrics() {
			for _, m := range sm.GetMetrics() {
				for _, p := range m.GetSum().GetDataPoints() {
					attrs := map[string]string{}
					for _, a := range p.GetAttributes() {
						attrs[a.GetKey()] = a.GetValue().GetStringValue()
					}
					of := []string{m.GetName()}
					for _, k := range slices.Sorted(maps.Keys(attrs)) {
						of = append(of, attrs[k])
					}
					h.values[strings.Join(of, " ")] = p.GetAsInt()
				}
			}
		}
	}
}

// Value returns the latest value of a metric: its name, and the values of its
// attributes by key, with spaces in between.
func (h *Held) Value(metric string) (value int64, told bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	value, told = h.values[metric]
	return value, told
}

// Await waits until a metric has a value.
func (h *Held) Await(t testing.TB, metric string, want int64) {
	t.Helper()
	Await(t, metric, func() bool { got, told := h.Value(metric); return told && got == want })
}
