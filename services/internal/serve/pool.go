package serve

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// observePool exports how full the pool is and how many wait for one of its
// connections, by the names of OpenTelemetry's semantic conventions.
func observePool(pool *pgxpool.Pool, t *tracer, store string) error {
	meter := otel.Meter("github.com/bedlamlab/bedlam/services/internal/serve")
	count, err := meter.Int64ObservableUpDownCounter("db.client.connection.count", metric.WithUnit("{connection}"),
		metric.WithDescription("The number of connections that are currently in state described by the `state` attribute."))
	if err != nil {
		return err
	}
	most, err := meter.Int64ObservableUpDownCounter("db.client.connection.max", metric.WithUnit("{connection}"),
		metric.WithDescription("The maximum number of open connections allowed."))
	if err != nil {
		return err
	}
	pending, err := meter.Int64ObservableUpDownCounter("db.client.connection.pending_requests", metric.WithUnit("{request}"),
		metric.WithDescription("The number of current pending requests for an open connection."))
	if err != nil {
		return err
	}
	name := attribute.String("db.client.connection.pool.name", store)
	of := metric.WithAttributes(name)
	used, idle := metric.WithAttributes(name, attribute.String("db.client.connection.state", "used")),
		metric.WithAttributes(name, attribute.String("db.client.connection.state", "idle"))
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s := pool.Stat()
		o.ObserveInt64(count, int64(s.AcquiredConns()), used)
		o.ObserveInt64(count, int64(s.IdleConns()), idle)
		o.ObserveInt64(most, int64(s.MaxConns()), of)
		o.ObserveInt64(pending, t.waiting.Load(), of)
		return nil
	}, count, most, pending)
	return err
}
