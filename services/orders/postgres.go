package orders

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/internal/answer"
	"github.com/bedlamlab/bedlam/services/orders/orderspb"
)

// postgres keeps orders in PostgreSQL. Each method is one round trip: the
// statements of a batch run in one transaction, and the reading at the end sees
// what is committed now, by this request or an earlier one.
type postgres struct{ pool *pgxpool.Pool }

const (
	// makeOrder writes the lines only together with the order, so that a
	// repeated request adds none.
	makeOrder = `WITH made AS (
			INSERT INTO orders (order_id, key, customer, total) VALUES ($1, $2, $3, $4)
			ON CONFLICT (order_id) DO NOTHING RETURNING order_id)
		INSERT INTO lines (order_id, sku, quantity, price)
		SELECT order_id, l.* FROM made, unnest($5::text[], $6::integer[], $7::bigint[]) AS l`

	// payOrder moves the order, notes the move and writes the event, all or
	// nothing: an event without a paid order would ship for free, a paid order
	// without an event would never ship.
	payOrder = `WITH moved AS (
			UPDATE orders SET state = 'PAID', transitions = transitions + 1, updated_at = now()
			WHERE order_id = $1 AND state = 'PENDING' RETURNING order_id, customer, transitions),
		noted AS (
			INSERT INTO transitions (order_id, seq, from_state, to_state)
			SELECT order_id, transitions, 'PENDING', 'PAID' FROM moved)
		INSERT INTO outbox (event, order_id, seq, type, payload, trace)
		SELECT order_id || '.' || transitions, order_id, transitions, $2, json_build_object(
			'order', order_id, 'customer', customer, 'lines',
			(SELECT json_agg(json_build_object('sku', sku, 'quantity', quantity) ORDER BY sku)
			 FROM lines WHERE lines.order_id = moved.order_id)), $3
		FROM moved`

	cancelOrder = `WITH moved AS (
			UPDATE orders SET state = 'CANCELLED', reason = $2, transitions = transitions + 1, updated_at = now()
			WHERE order_id = $1 AND state = 'PENDING' RETURNING order_id, transitions)
		INSERT INTO transitions (order_id, seq, from_state, to_state)
		SELECT order_id, transitions, 'PENDING', 'CANCELLED' FROM moved`

	readOrder = `SELECT key, customer, state, reason, total FROM orders WHERE order_id = $1`
	readLines = `SELECT sku, quantity, price FROM lines WHERE order_id = $1 ORDER BY sku COLLATE "C"`
)

// uniqueViolation is the SQLSTATE of a second row where one is allowed.
const uniqueViolation = "23505"

// create is idempotent by order. It refuses an order that is there with another
// content, and a key that has bought another order.
func (p postgres) create(ctx context.Context, r *orderspb.CreateRequest) (*orderspb.Order, error) {
	n := len(r.GetLines())
	skus, quantities, prices := make([]string, n), make([]int32, n), make([]int64, n)
	for i, l := range r.GetLines() {
		skus[i], quantities[i], prices[i] = l.GetSku(), l.GetQuantity(), l.GetPrice()
	}
	var b pgx.Batch
	b.Queue(makeOrder, r.GetOrder(), r.GetKey(), r.GetCustomer(), r.GetTotal(), skus, quantities, prices)
	o, err := p.read(ctx, &b, r.GetOrder(), "making an order")
	var broken *pgconn.PgError
	switch {
	case errors.As(err, &broken) && broken.Code == uniqueViolation:
		return nil, answer.Refused("KEY_REUSED", "the key has bought another order")
	case err != nil:
		return nil, err
	case o.GetKey() != r.GetKey() || o.GetCustomer() != r.GetCustomer() || o.GetTotal() != r.GetTotal() || !sameLines(o.GetLines(), r.GetLines()):
		return nil, answer.Refused("ORDER_REUSED", "order %s is there with another content", r.GetOrder())
	}
	return o, nil
}

// sameLines reports whether two orders hold the same, in whatever order. No
// product stands twice in either.
func sameLines(a, b []*orderspb.Line) bool {
	type line struct {
		quantity int32
		price    int64
	}
	bySKU := func(lines []*orderspb.Line) map[string]line {
		m := make(map[string]line, len(lines))
		for _, l := range lines {
			m[l.GetSku()] = line{l.GetQuantity(), l.GetPrice()}
		}
		return m
	}
	return maps.Equal(bySKU(a), bySKU(b))
}

// pay takes a PENDING order to PAID; trace is the traceparent of the request.
func (p postgres) pay(ctx context.Context, order, trace string) (*orderspb.Order, error) {
	var b pgx.Batch
	b.Queue(payOrder, order, eventPaid, trace)
	o, err := p.read(ctx, &b, order, "marking an order paid")
	if err == nil && o.GetState() == cancelled {
		return nil, answer.Refused("CANCELLED", "order %s was cancelled: %s", order, o.GetReason())
	}
	return o, err
}

// cancel takes a PENDING order to CANCELLED.
func (p postgres) cancel(ctx context.Context, order, reason string) (*orderspb.Order, error) {
	var b pgx.Batch
	b.Queue(cancelOrder, order, reason)
	o, err := p.read(ctx, &b, order, "cancelling an order")
	if err == nil && o.GetState() != cancelled {
		return nil, answer.Refused(o.GetState(), "order %s is %s", order, o.GetState())
	}
	return o, err
}

func (p postgres) get(ctx context.Context, order string) (*orderspb.Order, error) {
	return p.read(ctx, new(pgx.Batch), order, "reading an order")
}

// read sends the batch and returns the order as it is after it, or NOT_FOUND.
func (p postgres) read(ctx context.Context, b *pgx.Batch, order, doing string) (*orderspb.Order, error) {
	o, found := &orderspb.Order{Order: order}, true
	b.Queue(readOrder, order).QueryRow(func(r pgx.Row) error {
		err := r.Scan(&o.Key, &o.Customer, &o.State, &o.Reason, &o.Total)
		if errors.Is(err, pgx.ErrNoRows) {
			found = false
			return nil
		}
		return err
	})
	b.Queue(readLines, order).Query(func(rows pgx.Rows) error {
		var l orderspb.Line
		_, err := pgx.ForEachRow(rows, []any{&l.Sku, &l.Quantity, &l.Price}, func() error {
			o.Lines = append(o.Lines, &orderspb.Line{Sku: l.GetSku(), Quantity: l.GetQuantity(), Price: l.GetPrice()})
			return nil
		})
		return err
	})
	if err := p.pool.SendBatch(ctx, b).Close(); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	if !found {
		return nil, status.Errorf(codes.NotFound, "there is no order %s", order)
	}
	return o, nil
}
