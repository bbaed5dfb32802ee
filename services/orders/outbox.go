package orders

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// outbox is the publisher's view of the table: take, then settle. Nothing is
// held open in between.
type outbox struct{ pool *pgxpool.Pool }

// An event waits in the outbox for shipping's acknowledgement.
type event struct {
	ID       string
	Order    string
	Kind     string
	Payload  []byte
	Trace    string // traceparent of the request that wrote it
	Attempts int    // this one included
}

const (
	// takeEvents leaves alone what another publisher is just taking, what it
	// took less than a lease ago, and what must wait for an earlier event of
	// the same order.
	takeEvents = `WITH due AS (
			SELECT id FROM outbox AS o
			WHERE published_at IS NULL AND due_at <= now() AND NOT EXISTS (
				SELECT FROM outbox AS earlier WHERE earlier.order_id = o.order_id
				AND earlier.seq < o.seq AND earlier.published_at IS NULL)
			ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
		UPDATE outbox SET due_at = now() + $2::interval, attempts = attempts + 1 FROM due WHERE outbox.id = due.id
		RETURNING event, order_id, type, payload::text, trace, attempts`

	// markShipped is asked only after shipping has answered. Whoever of two
	// publishers comes second finds the event published and moves nothing.
	markShipped = `WITH marked AS (
			UPDATE outbox SET published_at = now() WHERE event = $1 AND published_at IS NULL RETURNING order_id),
		moved AS (
			UPDATE orders SET state = 'SHIPPED', transitions = transitions + 1, updated_at = now()
			FROM marked WHERE orders.order_id = marked.order_id AND state = 'PAID'
			RETURNING orders.order_id, transitions)
		INSERT INTO transitions (order_id, seq, from_state, to_state)
		SELECT order_id, transitions, 'PAID', 'SHIPPED' FROM moved`

	putOff = `UPDATE outbox SET due_at = now() + $2::interval WHERE event = $1 AND published_at IS NULL`
)

// take takes up to n due events for the length of the lease.
func (o outbox) take(ctx context.Context, n int, lease time.Duration) ([]event, error) {
	rows, err := o.pool.Query(ctx, takeEvents, n, lease)
	if err != nil {
		return nil, fmt.Errorf("taking events from the outbox: %w", err)
	}
	events, err := pgx.CollectRows(rows, pgx.RowToStructByPos[event])
	if err != nil {
		return nil, fmt.Errorf("taking events from the outbox: %w", err)
	}
	return events, nil
}

// shipped settles an acknowledged event and takes its order to SHIPPED.
func (o outbox) shipped(ctx context.Context, id string) error {
	if _, err := o.pool.Exec(ctx, markShipped, id); err != nil {
		return fmt.Errorf("marking event %s published: %w", id, err)
	}
	return nil
}

// putOff gives a failed event back, to be tried again after a while.
func (o outbox) putOff(ctx context.Context, id string, wait time.Duration) error {
	if _, err := o.pool.Exec(ctx, putOff, id, wait); err != nil {
		return fmt.Errorf("putting event %s off: %w", id, err)
	}
	return nil
}
