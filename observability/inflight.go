package observability

import (
	"context"
	"strings"
	"sync/atomic"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// scope is the name under which this package's own instruments are found.
const scope = "github.com/bedlamlab/bedlam/observability"

// inFlight counts the requests that a process is working on. Each has a server
// span, by the instrumentation of HTTP or gRPC, so that no handler needs to be
// told: a queue in front of one is counted too.
type inFlight struct{ http, rpc requests }

// requests of one protocol.
type requests struct {
	n    atomic.Int64
	some atomic.Bool // the process serves it
}

// of returns who counts a span; nil: nobody.
func (f *inFlight) of(s sdktrace.ReadOnlySpan) *requests {
	if s.SpanKind() != trace.SpanKindServer {
		return nil
	}
	switch by := s.InstrumentationScope().Name; {
	case strings.HasSuffix(by, "/otelhttp"):
		return &f.http
	case strings.HasSuffix(by, "/otelgrpc"):
		return &f.rpc
	}
	return nil
}

// OnStart implements [sdktrace.SpanProcessor].
func (f *inFlight) OnStart(_ context.Context, s sdktrace.ReadWriteSpan) {
	if r := f.of(s); r != nil {
		r.some.Store(true)
		r.n.Add(1)
	}
}

// OnEnd implements [sdktrace.SpanProcessor].
func (f *inFlight) OnEnd(s sdktrace.ReadOnlySpan) {
	if r := f.of(s); r != nil {
		r.n.Add(-1)
	}
}

// ForceFlush implements [sdktrace.SpanProcessor]: nothing waits here.
func (*inFlight) ForceFlush(context.Context) error { return nil }

// Shutdown implements [sdktrace.SpanProcessor].
func (*inFlight) Shutdown(context.Context) error { return nil }

// observe exports the counts: HTTP's by the name of OpenTelemetry's semantic
// conventions, gRPC's, which they do not name, by the same pattern.
func (f *inFlight) observe() error {
	for name, r := range map[string]*requests{"http.server.active_requests": &f.http, "rpc.server.active_requests": &f.rpc} {
		_, err := otel.Meter(scope).Int64ObservableUpDownCounter(name,
			metric.WithDescription("Number of active server requests."), metric.WithUnit("{request}"),
			metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
				if r.some.Load() {
					o.Observe(r.n.Load())
				}
				return nil
			}))
		if err != nil {
			return err
		}
	}
	return nil
}
