package observability

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/runtime"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/resource"
)

// metricInterval is fine enough to see a fault of six seconds come and go, and
// coarse enough to cost seventeen processes next to nothing.
const metricInterval = 2 * time.Second

func (t *Telemetry) startMetrics(ctx context.Context, res *resource.Resource, base string) error {
	// Exemplars are off: every request is traced, and metrics are joined to
	// spans by time and edge. They would cost a reservoir for each series.
	opts := []sdkmetric.Option{sdkmetric.WithResource(res), sdkmetric.WithExemplarFilter(exemplar.AlwaysOffFilter)}
	if base == "" {
		// Without a reader the instruments cost nothing.
		provider := sdkmetric.NewMeterProvider(opts...)
		otel.SetMeterProvider(provider)
		t.ends = append(t.ends, provider.Shutdown)
		return nil
	}
	exporter, err := otlpmetrichttp.New(ctx,
		otlpmetrichttp.WithEndpointURL(base+"/v1/metrics"),
		otlpmetrichttp.WithCompression(otlpmetrichttp.NoCompression),
		otlpmetrichttp.WithTimeout(metricInterval),
		// A lost interval is made good by the next one: the sums are cumulative.
		otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{Enabled: false}),
		otlpmetrichttp.WithProxy(direct),
	)
	if err != nil {
		return err
	}
	opts = append(opts, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(exporter,
		sdkmetric.WithInterval(metricInterval), sdkmetric.WithTimeout(metricInterval))))
	provider := sdkmetric.NewMeterProvider(opts...)
	otel.SetMeterProvider(provider)
	t.ends = append(t.ends, provider.Shutdown)
	return errors.Join(runtime.Start(runtime.WithMinimumReadMemStatsInterval(metricInterval)), observeProcess(), t.inFlight.observe())
}
