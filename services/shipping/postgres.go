package shipping

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

type postgres struct{ pool *pgxpool.Pool }

const (
	takeEvent = `INSERT INTO inbox (event, order_id, type, payload) VALUES ($1, $2, $3, $4)
		ON CONFLICT (event) DO NOTHING`

	// requestShipment acts on the event in the inbox. A second event of an
	// order that has its shipment changes nothing.
	requestShipment = `INSERT INTO shipments (shipment, order_id, state, event)
		SELECT 's-' || gen_random_uuid(), order_id, 'requested', event FROM inbox WHERE event = $1
		ON CONFLICT (order_id) DO NOTHING`

	// findShipment reads what is there now, by this request or an earlier one.
	findShipment = `SELECT i.order_id, i.type, s.shipment
		FROM inbox i JOIN shipments s USING (order_id) WHERE i.event = $1`
)

// deliver takes an event in and returns the shipment of its order, and whether
// the event had been here before. The three statements are one round trip and
// one transaction; each sees what was committed before it began, so that the
// second of two that come at once reads the shipment of the first.
func (p postgres) deliver(ctx context.Context, e event) (shipment string, repeated bool, err error) {
	was := event{id: e.id}
	var b pgx.Batch
	b.Queue(takeEvent, e.id, e.order, e.kind, e.payload).Exec(func(t pgconn.CommandTag) error {
		repeated = t.RowsAffected() == 0
		return nil
	})
	b.Queue(requestShipment, e.id)
	b.Queue(findShipment, e.id).QueryRow(func(r pgx.Row) error {
		return r.Scan(&was.order, &was.kind, &shipment)
	})
	if err := p.pool.SendBatch(ctx, &b).Close(); err != nil {
		return "", false, fmt.Errorf("taking an event in: %w", err)
	}
	if was.order != e.order || was.kind != e.kind {
		return "", false, errReused
	}
	return shipment, repeated, nil
}
