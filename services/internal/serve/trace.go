package serve

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// slowAcquire is the wait for a connection from which on it gets a span. The
// usual wait is microseconds, and a span for each would be a third of all.
const slowAcquire = 5 * time.Millisecond

// tracer traces SQL, and the wait for a connection only when it was long or
// in vain: then it is what explains the request.
type tracer struct {
	*otelpgx.Tracer
	attrs   []attribute.KeyValue
	tracer  trace.Tracer
	waiting atomic.Int64 // for a connection
}

var (
	_ pgx.QueryTracer       = (*tracer)(nil)
	_ pgxpool.AcquireTracer = (*tracer)(nil)
)

func newTracer(attrs ...attribute.KeyValue) *tracer {
	return &tracer{
		Tracer: otelpgx.NewTracer(
			otelpgx.WithTracerAttributes(attrs...),
			otelpgx.WithDisableAcquireTracer(),
			// Host, port, user and database of each statement are those of
			// the instance, which the span names already.
			otelpgx.WithDisableConnectionDetailsInAttributes(),
		),
		attrs:  attrs,
		tracer: otel.Tracer("github.com/bedlamlab/bedlam/services/internal/serve"),
	}
}

type acquireKey struct{}

// TraceAcquireStart implements [pgxpool.AcquireTracer].
func (t *tracer) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	t.waiting.Add(1)
	return context.WithValue(ctx, acquireKey{}, time.Now())
}

// TraceAcquireEnd implements [pgxpool.AcquireTracer].
func (t *tracer) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, data pgxpool.TraceAcquireEndData) {
	t.waiting.Add(-1)
	begun, ok := ctx.Value(acquireKey{}).(time.Time)
	if !ok || (data.Err == nil && time.Since(begun) < slowAcquire) || !trace.SpanFromContext(ctx).IsRecording() {
		return
	}
	_, span := t.tracer.Start(ctx, "acquire", trace.WithSpanKind(trace.SpanKindClient),
		trace.WithTimestamp(begun), trace.WithAttributes(t.attrs...))
	if data.Err != nil {
		span.RecordError(data.Err)
		span.SetStatus(codes.Error, data.Err.Error())
	}
	span.End()
}
