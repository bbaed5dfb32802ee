package collector_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	traceservice "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/bedlamlab/bedlam/observability/collector"
)

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for _, p := range pairs {
			if k, v, _ := strings.Cut(p, "="); k == name {
				return v
			}
		}
		return ""
	}
}

func TestForwardFromEnv(t *testing.T) {
	type target struct{ URL, Auth, Other string }
	for name, c := range map[string]struct {
		env                   []string
		traces, metrics, logs target
		err                   string
	}{
		"nothing":    {},
		"a base URL": {[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://h:4318/"}, target{URL: "http://h:4318/v1/traces"}, target{URL: "http://h:4318/v1/metrics"}, target{URL: "http://h:4318/v1/logs"}, ""},
		"traces only, as it is": {[]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=https://h/in"},
			target{URL: "https://h/in"}, target{}, target{}, ""},
		"headers, percent-encoded, and of one signal": {[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://h", "OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20x, other=1", "OTEL_EXPORTER_OTLP_LOGS_HEADERS=other=2"},
			target{"http://h/v1/traces", "Bearer x", "1"}, target{"http://h/v1/metrics", "Bearer x", "1"}, target{"http://h/v1/logs", "", "2"}, ""},
		"protobuf by name": {[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://h", "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"},
			target{URL: "http://h/v1/traces"}, target{URL: "http://h/v1/metrics"}, target{URL: "http://h/v1/logs"}, ""},
		"gRPC":                 {env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://h", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, err: "http/protobuf"},
		"gRPC, but to nowhere": {env: []string{"OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}},
		"no URL":               {env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=h:4318"}, err: "no http or https URL"},
		"a broken header":      {env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://h", "OTEL_EXPORTER_OTLP_HEADERS=secret"}, err: "name=value"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := collector.ForwardFromEnv(env(c.env...))
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("error %v, want one about %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			is := func(g collector.Target) target {
				return target{g.URL, g.Header.Get("Authorization"), g.Header.Get("Other")}
			}
			same(t, "targets", []target{is(f.Traces), is(f.Metrics), is(f.Logs)}, []target{c.traces, c.metrics, c.logs})
		})
	}
}

// sink is somebody else's collector.
type sink struct {
	*httptest.Server
	mu    sync.Mutex
	spans []*tracepb.Span
	paths map[string]int
	auth  string
}

func newSink(t *testing.T) *sink {
	s := &sink{paths: map[string]int{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.paths[q.URL.Path]++
		s.auth = q.Header.Get("Authorization")
		if q.URL.Path == "/v1/traces" {
			var r traceservice.ExportTraceServiceRequest
			if err == nil {
				err = proto.Unmarshal(body, &r)
			}
			for _, rs := range r.GetResourceSpans() {
				for _, ss := range rs.GetScopeSpans() {
					s.spans = append(s.spans, ss.GetSpans()...)
				}
			}
		}
		if err != nil || q.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("forwarded %s: %v", q.Header.Get("Content-Type"), err)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func TestForwards(t *testing.T) {
	to := newSink(t)
	f, err := collector.ForwardFromEnv(env("OTEL_EXPORTER_OTLP_ENDPOINT="+to.URL, "OTEL_EXPORTER_OTLP_HEADERS=authorization=secret"))
	if err != nil {
		t.Fatal(err)
	}
	c := start(t, collector.Options{Forward: f})
	c.Add(shopTrace(1)...)
	post(t, c.URL()+"/v1/traces", "application/x-protobuf", "gzip", marshal(t, oneSpan(func(p *tracepb.Span) { p.TraceState = "kept=1" })))
	post(t, c.URL()+"/v1/traces", "application/json", "", []byte(jsonBody))
	post(t, c.URL()+"/v1/metrics", "application/x-protobuf", "", metricsBody(t, 1, 1))
	post(t, c.URL()+"/v1/logs", "application/json", "", []byte(`{"resourceLogs":[{}]}`))
	if err := c.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	to.mu.Lock()
	defer to.mu.Unlock()
	state := ""
	for _, s := range to.spans {
		state += s.GetTraceState()
	}
	if len(to.spans) != len(shopTrace(1))+2 || state != "kept=1" || to.auth != "secret" {
		t.Errorf("%d spans with state %q and header %q arrived", len(to.spans), state, to.auth)
	}
	if to.paths["/v1/metrics"] == 0 || to.paths["/v1/logs"] == 0 {
		t.Errorf("paths: %v", to.paths)
	}
	if s := c.Stats(); s.Forwarded != 5 || s.ForwardFailures != 0 {
		t.Errorf("stats: %+v", s)
	}
}

// One that never answers must not hold up the run, nor its end.
func TestForwardToSilence(t *testing.T) {
	quiet := make(chan struct{})
	to := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-quiet }))
	defer to.Close()
	defer close(quiet)
	var complaints strings.Builder
	var mu sync.Mutex
	log := slog.New(slog.NewTextHandler(lockedWriter{&mu, &complaints}, nil))
	began := time.Now()
	c := start(t, collector.Options{Forward: collector.Forward{Traces: collector.Target{URL: to.URL}}, Log: log})
	var big []collector.Span
	for n := range 500 {
		big = append(big, shopTrace(n)...)
	}
	for range 20 { // some 40 MB, more than the queue holds
		c.Add(big...)
	}
	if s := c.Stats(); s.Kept == 0 || s.ForwardFailures == 0 {
		t.Errorf("stats: %+v", s)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if s := c.Stats(); s.Forwarded != 0 || s.ForwardFailures != int64(20*((len(big)+511)/512)) { // 512 spans travel together
		t.Errorf("after the end: %+v, want all to have failed", s)
	}
	mu.Lock()
	defer mu.Unlock()
	// Once at first, and once for each stretch of silence on a slow machine.
	most := 1 + int(time.Since(began)/collector.ComplainEvery)
	if n := strings.Count(complaints.String(), "could not be forwarded"); n < 1 || n > most {
		t.Errorf("logged %d times, want once in a while, at most %d times: %s", n, most, complaints.String())
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

func TestForwardToRefusal(t *testing.T) {
	to := httptest.NewServer(http.NotFoundHandler())
	defer to.Close()
	c := start(t, collector.Options{Forward: collector.Forward{Traces: collector.Target{URL: to.URL}}})
	c.Add(shopTrace(1)...)
	if err := c.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if s := c.Stats(); s.ForwardFailures != 1 || s.Kept == 0 {
		t.Errorf("stats: %+v", s)
	}
}

func TestCloseLeavesNothingBehind(t *testing.T) {
	before := goleak.IgnoreCurrent()
	c, err := collector.Start(t.Context(), collector.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	c.Add(shopTrace(1)...)
	if err := c.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	goleak.VerifyNone(t, before)
	c.Add(shopTrace(2)...)
	if s := c.Stats(); s.Dropped != int64(len(shopTrace(2))) {
		t.Errorf("added after the end: %+v", s)
	}
}
