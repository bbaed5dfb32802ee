package cart

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bedlamlab/bedlam/services/cart/cartpb"
)

// postgres keeps carts in PostgreSQL. Each method is one round trip: the
// statements of a batch run in one transaction, and each sees what was
// committed before it began, which one large statement would not.
type postgres struct{ pool *pgxpool.Pool }

const (
	// nextVersion takes the cart's row lock, and with it the next version.
	nextVersion = `INSERT INTO carts (cart, version) VALUES ($1, 1)
		ON CONFLICT (cart) DO UPDATE SET version = carts.version + 1`

	// putAdd adds if there is room. It runs under the lock of nextVersion, so that two
	// adds cannot both take the last place.
	putAdd = `INSERT INTO adds (cart, key, sku, quantity, version)
		SELECT $1::text, $2, $3::text, $4::integer, (SELECT version FROM carts WHERE cart = $1)
		FROM (SELECT coalesce(sum(quantity) FILTER (WHERE sku = $3), 0) AS held,
		             count(DISTINCT sku) FILTER (WHERE sku <> $3) AS others
		      FROM adds WHERE cart = $1 AND removed_at IS NULL AND cleared_by IS NULL) AS room
		WHERE held + $4::integer <= $5 AND others < $6
		ON CONFLICT (cart, key) DO NOTHING`

	// findAdd finds the add of a key, made now or by an earlier request.
	findAdd = `SELECT sku, quantity FROM adds WHERE cart = $1 AND key = $2`

	removeLine = `UPDATE adds SET removed_at = now()
		WHERE cart = $1 AND sku = $2 AND removed_at IS NULL AND cleared_by IS NULL`

	// clearBought takes out what an order bought, the first time that it is asked.
	// Adds up to a version that somebody has read are all committed, because
	// versions are given under the cart's lock; so none can slip in behind.
	clearBought = `WITH first AS (
			INSERT INTO clears (cart, order_id, version)
			VALUES ($1::text, $2::text, CASE WHEN $3::bigint > 0 THEN $3::bigint
				ELSE coalesce((SELECT version FROM carts WHERE cart = $1), 0) END)
			ON CONFLICT DO NOTHING RETURNING version)
		UPDATE adds SET cleared_by = $2 FROM first
		WHERE cart = $1 AND adds.version <= first.version AND removed_at IS NULL AND cleared_by IS NULL`

	readContents = `SELECT c.version, coalesce(a.sku, ''), coalesce(sum(a.quantity), 0)
		FROM carts c LEFT JOIN adds a ON a.cart = c.cart AND a.removed_at IS NULL AND a.cleared_by IS NULL
		WHERE c.cart = $1 GROUP BY c.version, a.sku ORDER BY a.sku COLLATE "C"`
)

// add is idempotent by cart and key. It returns errFull, or errReused if the
// key stands for something else.
func (p postgres) add(ctx context.Context, a add) (*cartpb.Contents, error) {
	var b pgx.Batch
	b.Queue(nextVersion, a.cart)
	b.Queue(putAdd, a.cart, a.key, a.sku, a.quantity, maxQuantity, maxLines)
	was := add{cart: a.cart, key: a.key}
	b.Queue(findAdd, a.cart, a.key).QueryRow(func(r pgx.Row) error {
		err := r.Scan(&was.sku, &was.quantity)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil // seen below: nothing landed
		}
		return err
	})
	now := read(&b, a.cart)
	if err := p.send(ctx, &b, "adding to a cart"); err != nil {
		return nil, err
	}
	switch {
	case was.sku == "":
		return nil, errFull
	case was != a:
		return nil, errReused
	}
	return now, nil
}

func (p postgres) remove(ctx context.Context, cart, sku string) (*cartpb.Contents, error) {
	var b pgx.Batch
	b.Queue(removeLine, cart, sku)
	now := read(&b, cart)
	return now, p.send(ctx, &b, "removing from a cart")
}

func (p postgres) get(ctx context.Context, cart string) (*cartpb.Contents, error) {
	var b pgx.Batch
	now := read(&b, cart)
	return now, p.send(ctx, &b, "reading a cart")
}

// clear is idempotent by cart and order; version 0 means all there is now.
func (p postgres) clear(ctx context.Context, cart, order string, version int64) (*cartpb.Contents, error) {
	var b pgx.Batch
	b.Queue(clearBought, cart, order, version)
	now := read(&b, cart)
	return now, p.send(ctx, &b, "clearing a cart")
}

func (p postgres) send(ctx context.Context, b *pgx.Batch, doing string) error {
	if err := p.pool.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// read queues the reading of a cart; the contents are there when the batch has
// been closed without an error.
func read(b *pgx.Batch, cart string) *cartpb.Contents {
	now := &cartpb.Contents{Cart: cart}
	b.Queue(readContents, cart).Query(func(rows pgx.Rows) error {
		var sku string
		var quantity int32
		_, err := pgx.ForEachRow(rows, []any{&now.Version, &sku, &quantity}, func() error {
			if sku != "" { // a cart without live adds has one row without a product
				now.Lines = append(now.Lines, &cartpb.Line{Sku: sku, Quantity: quantity})
			}
			return nil
		})
		return err
	})
	return now
}
