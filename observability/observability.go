// Package observability starts logs, metrics and traces for one process, and
// ends them without losing what was seen.
//
// [Start] is the function that you want. It sets OpenTelemetry's global
// tracer, meter and propagator, so that the libraries in between find them;
// everything else of the process logs through [Telemetry.Log].
package observability

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
)

// A Resource says whose telemetry it is.
type Resource struct {
	Service  string // service.name, such as payment
	Instance string // service.instance.id, such as payment-2
	Zone     string // cloud.availability_zone
	System   string // service.namespace, such as shop
	Version  string // service.version
}

// shutdownLimit bounds Shutdown when its context does not: a collector that
// has gone away must not keep a drained process alive.
const shutdownLimit = 2 * time.Second

// Telemetry is the running telemetry of a process.
type Telemetry struct {
	// Log writes JSON lines to standard error and, when there is an endpoint,
	// sends the same records to it. Never nil.
	Log      *slog.Logger
	ends     []func(context.Context) error // in the order in which they are called
	inFlight inFlight
}

// Start starts telemetry that is exported to endpoint, the base URL of an
// OTLP/HTTP receiver such as http://127.0.0.1:4318. With an empty endpoint
// nothing is exported and everything still works: spans have ids and are
// propagated, logs go to standard error.
//
// A receiver that does not answer is no error, neither here nor later; Start
// fails only on an endpoint that is no URL.
func Start(ctx context.Context, r Resource, endpoint string) (*Telemetry, error) {
	if err := validate(endpoint); err != nil {
		return nil, fmt.Errorf("starting telemetry: %w", err)
	}
	quietErrors()
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))
	res := r.attributes()
	base := strings.TrimSuffix(endpoint, "/")
	t := &Telemetry{}
	if err := t.startTraces(ctx, res, base); err != nil {
		return nil, fmt.Errorf("starting traces to %s: %w", endpoint, err)
	}
	if err := t.startMetrics(ctx, res, base); err != nil {
		return nil, errors.Join(fmt.Errorf("starting metrics to %s: %w", endpoint, err), t.Shutdown(ctx))
	}
	if err := t.startLogs(ctx, r, res, base); err != nil {
		return nil, errors.Join(fmt.Errorf("starting logs to %s: %w", endpoint, err), t.Shutdown(ctx))
	}
	return t, nil
}

// validate is for the exporters, which only log an endpoint they cannot use.
func validate(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return fmt.Errorf("endpoint: %w", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return fmt.Errorf("endpoint %q: want http://host:port", endpoint)
	}
	return nil
}

// Shutdown sends what has not been sent yet and stops. It takes at most two
// seconds, or less if ctx ends earlier. It is called once.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, shutdownLimit)
	defer cancel()
	var errs []error
	for _, end := range t.ends {
		errs = append(errs, end(ctx))
	}
	return errors.Join(errs...)
}

// attributes are written out rather than taken from a semantic-conventions
// package: six names do not need a versioned dependency.
func (r Resource) attributes() *resource.Resource {
	attrs := []attribute.KeyValue{
		attribute.String("service.name", r.Service),
		attribute.String("service.instance.id", r.Instance),
		attribute.Int("process.pid", os.Getpid()),
	}
	for key, value := range map[string]string{
		"cloud.availability_zone": r.Zone,
		"service.namespace":       r.System,
		"service.version":         r.Version,
	} {
		if value != "" {
			attrs = append(attrs, attribute.String(key, value))
		}
	}
	return resource.NewSchemaless(attrs...)
}
