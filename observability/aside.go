package observability

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel/trace"
)

// An Aside is the telemetry of something that is not a whole process: traces
// and logs of its own, beside whatever else the process does.
type Aside struct {
	Tracer trace.Tracer
	Log    *slog.Logger
	end    func(context.Context) error
}

// StartAside starts an [Aside] that is exported to endpoint, the base URL of an
// OTLP/HTTP receiver. It changes nothing of the process: no library finds it,
// and nothing is written to standard error. A receiver that does not answer is
// no error.
func StartAside(ctx context.Context, r Resource, endpoint string) (*Aside, error) {
	if err := validate(endpoint); err != nil || endpoint == "" {
		return nil, errors.Join(errors.New("starting telemetry: an endpoint is needed"), err)
	}
	res, base := r.attributes(), strings.TrimSuffix(endpoint, "/")
	spans, err := traces(ctx, res, base)
	if err != nil {
		return nil, fmt.Errorf("starting traces to %s: %w", endpoint, err)
	}
	lines, err := records(ctx, res, base)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting logs to %s: %w", endpoint, err), spans.Shutdown(ctx))
	}
	return &Aside{Tracer: spans.Tracer(r.Service), Log: slog.New(otelslog.NewHandler(r.Service, otelslog.WithLoggerProvider(lines))),
		end: func(ctx context.Context) error { return errors.Join(spans.Shutdown(ctx), lines.Shutdown(ctx)) }}, nil
}

// Shutdown sends what has not been sent yet and stops, within two seconds.
func (a *Aside) Shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, shutdownLimit)
	defer cancel()
	return a.end(ctx)
}
