package orders

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
)

const (
	// countBacklog reads the index of what is not published.
	countBacklog = `SELECT count(*) FROM outbox WHERE published_at IS NULL`
	// countLimit bounds the count: all other metrics of the process wait for it.
	countLimit = 500 * time.Millisecond
)

// observeBacklog exports how many events wait in the outbox, which the replicas
// share. A store that does not answer in time gives no figure, and no error
// either: that would keep all other metrics from being sent.
func observeBacklog(pool *pgxpool.Pool) error {
	_, err := otel.Meter("github.com/bedlamlab/bedlam/services/orders").Int64ObservableUpDownCounter("orders.outbox.backlog",
		metric.WithDescription("Events that shipping has not acknowledged"), metric.WithUnit("{event}"),
		metric.WithInt64Callback(func(ctx context.Context, o metric.Int64Observer) error {
			ctx, cancel := context.WithTimeout(ctx, countLimit)
			defer cancel()
			var n int64
			if err := pool.QueryRow(ctx, countBacklog).Scan(&n); err == nil {
				o.Observe(n)
			}
			return nil
		}))
	return err
}
