package checkout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// postgres is the saga log. Each method is one statement and one round trip.
type postgres struct{ pool *pgxpool.Pool }

const (
	columns = `saga, order_id, key, cart, customer, card, cart_version, lines, currency, total,
		state, step, reason, epoch, failures, trace, now() - created_at`

	beginSaga = `INSERT INTO sagas (saga, order_id, key, cart, customer, card, cart_version, lines, currency, total,
			state, step, reason, trace, owner, lease_until)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, now() + $16::interval)
		ON CONFLICT DO NOTHING`

	findSaga = `SELECT ` + columns + ` FROM sagas WHERE key = $1`

	// moveSaga is the fence: it changes nothing if another owner has come.
	moveSaga = `UPDATE sagas SET state = $3, step = $4, reason = $5, failures = 0,
			lease_until = now() + $6::interval, updated_at = now()
		WHERE saga = $1 AND epoch = $2`

	// putDown ends the owner's epoch with its lease: a renewal of this owner's
	// that is under way, or comes before it has forgotten the saga, finds
	// nothing to renew.
	putDown = `UPDATE sagas SET failures = $3, epoch = epoch + 1, lease_until = now() + $4::interval, updated_at = now()
		WHERE saga = $1 AND epoch = $2`

	renewLeases = `UPDATE sagas SET lease_until = now() + $3::interval
		FROM unnest($1::text[], $2::bigint[]) AS mine (saga, epoch)
		WHERE sagas.saga = mine.saga AND sagas.epoch = mine.epoch AND state IN ('running', 'compensating')
		RETURNING sagas.saga`

	// takeOver lets the other replica go first with what this one has put
	// down, because the way from there may be open where ours is not.
	takeOver = `WITH left_behind AS (
			SELECT saga AS id FROM sagas
			WHERE state IN ('running', 'compensating') AND lease_until <= now() AND (owner <> $1 OR lease_until <= now() - $4::interval)
			ORDER BY lease_until LIMIT $2 FOR UPDATE SKIP LOCKED)
		UPDATE sagas SET owner = $1, epoch = epoch + 1, lease_until = now() + $3::interval, updated_at = now()
		FROM left_behind WHERE saga = id
		RETURNING ` + columns
)

// begin writes a saga into the log, unless its key is there already.
func (p postgres) begin(ctx context.Context, s *saga, owner string, lease time.Duration) (begun bool, err error) {
	lines, err := json.Marshal(s.basket.lines)
	if err != nil {
		return false, fmt.Errorf("writing down the lines of %s: %w", s.id, err)
	}
	tag, err := p.pool.Exec(ctx, beginSaga, s.id, s.order, s.request.key, s.request.cart, s.request.customer, s.request.card,
		s.basket.version, lines, s.basket.currency, s.basket.total, s.state, s.step, s.reason, s.trace, owner, lease)
	if err != nil {
		return false, fmt.Errorf("beginning the saga %s: %w", s.id, err)
	}
	return tag.RowsAffected() == 1, nil
}

// find returns the saga of a key, or nil.
func (p postgres) find(ctx context.Context, key string) (*saga, error) {
	rows, err := p.pool.Query(ctx, findSaga, key)
	if err == nil {
		var s *saga
		if s, err = pgx.CollectExactlyOneRow(rows, scan); err == nil {
			return s, nil
		}
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return nil, fmt.Errorf("looking for the saga of a key: %w", err)
}

// move writes where s stands, and renews its lease. It reports false if
// another has taken the saga over.
func (p postgres) move(ctx context.Context, s *saga, lease time.Duration) (ours bool, err error) {
	tag, err := p.pool.Exec(ctx, moveSaga, s.id, s.epoch, s.state, s.step, s.reason, lease)
	if err != nil {
		return false, fmt.Errorf("moving the saga %s to %s: %w", s.id, s.step, err)
	}
	return tag.RowsAffected() == 1, nil
}

// putDown gives a saga up to whoever takes it, after a while. It reports
// whether the saga was this owner's to give.
func (p postgres) putDown(ctx context.Context, s *saga, wait time.Duration) (ours bool, err error) {
	tag, err := p.pool.Exec(ctx, putDown, s.id, s.epoch, s.failures, wait)
	if err != nil {
		return false, fmt.Errorf("putting the saga %s down: %w", s.id, err)
	}
	return tag.RowsAffected() == 1, nil
}

// renew renews the leases of sagas by their epochs, and returns those which
// are still ours.
func (p postgres) renew(ctx context.Context, ids []string, epochs []int64, lease time.Duration) ([]string, error) {
	rows, err := p.pool.Query(ctx, renewLeases, ids, epochs, lease)
	if err == nil {
		var ours []string
		if ours, err = pgx.CollectRows(rows, pgx.RowTo[string]); err == nil {
			return ours, nil
		}
	}
	return nil, fmt.Errorf("renewing leases: %w", err)
}

// takeOver takes up to n sagas whose lease has run out, longest first. Those
// that this owner put down itself it takes only a grace later.
func (p postgres) takeOver(ctx context.Context, owner string, n int, lease, grace time.Duration) ([]*saga, error) {
	rows, err := p.pool.Query(ctx, takeOver, owner, n, lease, grace)
	if err == nil {
		var taken []*saga
		if taken, err = pgx.CollectRows(rows, scan); err == nil {
			return taken, nil
		}
	}
	return nil, fmt.Errorf("taking sagas over: %w", err)
}

func scan(row pgx.CollectableRow) (*saga, error) {
	var s saga
	var lines []byte
	err := row.Scan(&s.id, &s.order, &s.request.key, &s.request.cart, &s.request.customer, &s.request.card,
		&s.basket.version, &lines, &s.basket.currency, &s.basket.total,
		&s.state, &s.step, &s.reason, &s.epoch, &s.failures, &s.trace, &s.age)
	if err != nil {
		return nil, err
	}
	return &s, json.Unmarshal(lines, &s.basket.lines)
}
