package payment

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations returns a folder migrations with the goose migrations of payment's schema.
func Migrations() fs.FS {
	return migrations
}

// A Store keeps charges and their ledger in PostgreSQL. Each method changes
// them by a single statement, which is a transaction of its own: no lock is
// held while a message travels, and a caller that dies leaves nothing half
// done. Time is the database's.
type Store struct {
	db    *pgxpool.Pool
	grace time.Duration
}

// NewStore returns the store in db, to which [Migrations] have been applied.
// An unsettled charge is left to its caller for grace; then a resolver may
// claim it.
func NewStore(db *pgxpool.Pool, grace time.Duration) *Store { return &Store{db: db, grace: grace} }

const columns = `key, order_id, amount, currency, card, state, giving_back, bank_reference`

const readSQL = `SELECT ` + columns + ` FROM charges WHERE key = $1`

const openSQL = `
WITH new AS (
    INSERT INTO charges (key, order_id, amount, currency, card, leased_until)
    VALUES ($1, $2, $3, $4, $5, now() + $6::interval)
    ON CONFLICT (key) DO NOTHING
    RETURNING *
)
SELECT ` + columns + ` FROM new
UNION ALL
SELECT ` + columns + ` FROM charges WHERE key = $1`

// Open makes the pending charge of a key, or returns the charge it has.
func (s *Store) Open(ctx context.Context, c Capture) (Charge, error) {
	row, err := s.scan(ctx, openSQL, c.Key, c.Order, c.Amount, c.Currency, c.Card, s.grace)
	if errors.Is(err, pgx.ErrNoRows) {
		// Another call made it after our statement had begun, and has
		// committed since: the insert saw it, our snapshot did not.
		row, err = s.scan(ctx, readSQL, c.Key)
	}
	return row, doing("opening the charge", err)
}

const giveBackSQL = `
INSERT INTO charges AS c (key, order_id, amount, currency, card, state, giving_back, leased_until)
VALUES ($1, $2, 0, '', '', 'void', true, now())
ON CONFLICT (key) DO UPDATE
    SET giving_back = true, leased_until = now() + $3::interval, updated_at = clock_timestamp()
    WHERE c.state IN ('pending', 'captured') AND $2 IN ('', c.order_id)
RETURNING ` + columns

// GiveBack marks the charge of a key as one to be given back, which nothing
// can undo, and returns it. A key that has no charge gets a void one. A charge
// of another order is returned as it is.
func (s *Store) GiveBack(ctx context.Context, key, order string) (Charge, error) {
	row, err := s.scan(ctx, giveBackSQL, key, order, s.grace)
	if errors.Is(err, pgx.ErrNoRows) {
		row, err = s.scan(ctx, readSQL, key)
	}
	return row, doing("marking the charge for refund", err)
}

// Get returns the charge of a key, or NOT_FOUND.
func (s *Store) Get(ctx context.Context, key string) (Charge, error) {
	row, err := s.scan(ctx, readSQL, key)
	if errors.Is(err, pgx.ErrNoRows) {
		return Charge{}, status.Errorf(codes.NotFound, "there is no charge %s", key)
	}
	return row, doing("reading the charge", err)
}

const claimSQL = `
WITH due AS MATERIALIZED (
    SELECT key AS due_key FROM charges
    WHERE (state = 'pending' OR (state = 'captured' AND giving_back)) AND leased_until <= now()
    ORDER BY leased_until
    LIMIT $1
    FOR UPDATE SKIP LOCKED
)
UPDATE charges SET claims = claims + 1, leased_until = now() + $2::interval * least(claims + 1, 2)
FROM due WHERE key = due_key
RETURNING ` + columns

// Claim leases up to n unsettled charges whose lease has run out, for the
// given time, and for twice that from the second claim on. Two replicas never
// claim one charge at a time.
func (s *Store) Claim(ctx context.Context, n int, lease time.Duration) ([]Charge, error) {
	rows, err := s.db.Query(ctx, claimSQL, n, lease)
	if err != nil {
		return nil, doing("claiming unsettled charges", err)
	}
	claimed, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (Charge, error) { return scanCharge(r) })
	return claimed, doing("claiming unsettled charges", err)
}

func (s *Store) scan(ctx context.Context, sql string, args ...any) (Charge, error) {
	return scanCharge(s.db.QueryRow(ctx, sql, args...))
}

func scanCharge(r pgx.Row) (Charge, error) {
	var c Charge
	err := r.Scan(&c.Key, &c.Order, &c.Amount, &c.currency, &c.card, &c.State, &c.givingBack, &c.BankReference)
	return c, err
}

// doing says what failed; nil stays nil.
func doing(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
