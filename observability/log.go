package observability

import (
	"context"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"
)

// logQueue is far more than a healthy process says in one flush; a process
// that says more loses the rest rather than its memory.
const logQueue = 1024

func (t *Telemetry) startLogs(ctx context.Context, r Resource, res *resource.Resource, base string) error {
	var here slog.Handler = slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo})
	here = traced{here.WithAttrs([]slog.Attr{slog.String("service", r.Service), slog.String("instance", r.Instance)})}
	if base == "" {
		t.Log = slog.New(here)
		return nil
	}
	provider, err := records(ctx, res, base)
	if err != nil {
		return err
	}
	t.ends = append(t.ends, provider.Shutdown)
	t.Log = slog.New(slog.NewMultiHandler(here, otelslog.NewHandler(r.Service, otelslog.WithLoggerProvider(provider))))
	return nil
}

// records makes what sends log records to base.
func records(ctx context.Context, res *resource.Resource, base string) (*sdklog.LoggerProvider, error) {
	exporter, err := otlploghttp.New(ctx,
		otlploghttp.WithEndpointURL(base+"/v1/logs"),
		otlploghttp.WithCompression(otlploghttp.NoCompression),
		otlploghttp.WithTimeout(sendLimit),
		otlploghttp.WithRetry(otlploghttp.RetryConfig{
			Enabled: true, InitialInterval: 200 * time.Millisecond, MaxInterval: time.Second, MaxElapsedTime: sendLimit,
		}),
		otlploghttp.WithProxy(direct),
	)
	if err != nil {
		return nil, err
	}
	return sdklog.NewLoggerProvider(sdklog.WithResource(res), sdklog.WithProcessor(sdklog.NewBatchProcessor(exporter,
		sdklog.WithExportInterval(spanFlush), sdklog.WithMaxQueueSize(logQueue), sdklog.WithExportTimeout(sendLimit)))), nil
}

// traced adds the ids of the span in which a line is written, as the exported
// record has them by itself.
type traced struct{ slog.Handler }

func (h traced) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

func (h traced) WithAttrs(attrs []slog.Attr) slog.Handler { return traced{h.Handler.WithAttrs(attrs)} }

func (h traced) WithGroup(name string) slog.Handler { return traced{h.Handler.WithGroup(name)} }

// errorInterval keeps a receiver that is away from filling the logs: three
// signals would otherwise complain every half second.
const errorInterval = 30 * time.Second

// quietErrors lets at most one of OpenTelemetry's own errors through in each
// interval, to standard error only: sent to the receiver it would feed itself.
func quietErrors() {
	var last atomic.Int64 // Unix nanoseconds of the last line
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		now, before := time.Now().UnixNano(), last.Load()
		if now-before < int64(errorInterval) || !last.CompareAndSwap(before, now) {
			return
		}
		log.Warn("telemetry could not be sent; further errors are not shown for a while", "error", err)
	}))
}
