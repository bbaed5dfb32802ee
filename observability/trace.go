package observability

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

const (
	// spanFlush is how long a span waits for company. A process that is killed
	// loses the spans of this long, so it is as short as the cost of sending
	// (one request a flush and process) lets it be.
	spanFlush = 500 * time.Millisecond
	// spanQueue holds the spans of a receiver's pause: at about 1500 spans a
	// second and process, a hard-pressed one, five seconds of them.
	spanQueue = 8192
	// spanBatch makes one request of what one flush usually finds.
	spanBatch = 2048
	// sendLimit bounds one export, its retries included, for all signals.
	sendLimit = 5 * time.Second
)

// direct keeps telemetry away from any proxy that the environment names: the
// receiver stands next door.
func direct(*http.Request) (*url.URL, error) { return nil, nil }

func (t *Telemetry) startTraces(ctx context.Context, res *resource.Resource, base string) error {
	provider, err := traces(ctx, res, base)
	if err != nil {
		return err
	}
	provider.RegisterSpanProcessor(&t.inFlight)
	otel.SetTracerProvider(provider)
	t.ends = append(t.ends, provider.Shutdown)
	return nil
}

// traces makes what sends spans to base; without one they are made and kept
// by nobody.
func traces(ctx context.Context, res *resource.Resource, base string) (*sdktrace.TracerProvider, error) {
	// Everything is sampled: a judge reads the traces of single requests.
	opts := []sdktrace.TracerProviderOption{sdktrace.WithResource(res), sdktrace.WithSampler(sdktrace.AlwaysSample())}
	if base != "" {
		exporter, err := otlptracehttp.New(ctx,
			otlptracehttp.WithEndpointURL(base+"/v1/traces"),
			otlptracehttp.WithCompression(otlptracehttp.NoCompression), // the processor is scarcer than the loopback
			otlptracehttp.WithTimeout(sendLimit),
			otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
				Enabled: true, InitialInterval: 200 * time.Millisecond, MaxInterval: time.Second, MaxElapsedTime: sendLimit,
			}),
			otlptracehttp.WithProxy(direct),
		)
		if err != nil {
			return nil, err
		}
		opts = append(opts, sdktrace.WithBatcher(exporter,
			sdktrace.WithBatchTimeout(spanFlush),
			sdktrace.WithMaxQueueSize(spanQueue),
			sdktrace.WithMaxExportBatchSize(spanBatch),
			sdktrace.WithExportTimeout(sendLimit),
		))
	}
	return sdktrace.NewTracerProvider(opts...), nil
}
