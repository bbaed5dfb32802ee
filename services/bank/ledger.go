package bank

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/internal/answer"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations returns a folder migrations with the goose migrations of the bank's schema.
func Migrations() fs.FS {
	return migrations
}

// A Ledger is the bank's book in PostgreSQL. Each of its methods changes it by
// a single statement, which is a transaction of its own: no lock is ever held
// while a message travels, and a caller that dies leaves nothing half done.
type Ledger struct {
	db *pgxpool.Pool
}

// NewLedger returns the ledger in db, to which [Migrations] have been applied.
func NewLedger(db *pgxpool.Pool) *Ledger { return &Ledger{db: db} }

// call is a row of calls.
type call struct {
	Transaction
	currency, card, refundKey string
}

const columns = `key, id, reference, amount, state, currency, card, COALESCE(refund_key, '')`

const readSQL = `SELECT ` + columns + ` FROM calls WHERE key = $1`

// The card column of a row holds the digest; "card:" makes it an account.
const chargeSQL = `
WITH new AS (
    INSERT INTO calls (key, reference, amount, currency, card, state)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (key) DO NOTHING
    RETURNING *
), booked AS (
    INSERT INTO ledger (transaction, key, reference, account, amount, kind)
    SELECT new.id, new.key, new.reference, e.account, e.amount, 'charge'
    FROM new, LATERAL (VALUES ('card:' || new.card, -new.amount), ('merchant', new.amount)) AS e (account, amount)
    WHERE new.state = 'charged'
)
SELECT ` + columns + ` FROM new
UNION ALL
SELECT ` + columns + ` FROM calls WHERE key = $1`

// Charge moves the money, unless the key was seen before; then it says again
// what became of it. FAILED_PRECONDITION: declined, or forbidden by a void.
// INVALID_ARGUMENT: the request is wrong, or not the one that the key stands for.
func (l *Ledger) Charge(ctx context.Context, c Charge) (Transaction, error) {
	if err := c.Validate(); err != nil {
		return Transaction{}, err
	}
	row, err := l.put(ctx, chargeSQL, c.Key, c.Reference, c.Amount, c.Currency, digest(c.Card), c.decide())
	if err != nil {
		return Transaction{}, fmt.Errorf("charging: %w", err)
	}
	if row.State == Void {
		return Transaction{}, answer.Refused(ReasonVoid, "key %s is void: it will not be charged", c.Key)
	}
	if row.Reference != c.Reference || row.Amount != c.Amount || row.currency != c.Currency || row.card != digest(c.Card) {
		return Transaction{}, answer.Invalid("key", "%s stands for another charge (%d %s for %s)", c.Key, row.Amount, row.currency, row.Reference)
	}
	if row.State == Declined {
		return Transaction{}, answer.Refused(ReasonDeclined, "the card was declined")
	}
	return row.Transaction, nil
}

const voidSQL = `
WITH new AS (
    INSERT INTO calls (key, reference, amount, currency, card, state)
    VALUES ($1, '', 0, '', '', 'void')
    ON CONFLICT (key) DO NOTHING
    RETURNING *
)
SELECT ` + columns + ` FROM new
UNION ALL
SELECT ` + columns + ` FROM calls WHERE key = $1`

// Void makes sure that the key will not be charged from now on, and returns
// what became of it: void, or the charge that came first.
func (l *Ledger) Void(ctx context.Context, key string) (Transaction, error) {
	if err := answer.Text("key", key); err != nil {
		return Transaction{}, err
	}
	row, err := l.put(ctx, voidSQL, key)
	if err != nil {
		return Transaction{}, fmt.Errorf("voiding: %w", err)
	}
	return row.Transaction, nil
}

// put runs a statement that inserts a key or returns the row that has it.
func (l *Ledger) put(ctx context.Context, sql string, key string, args ...any) (call, error) {
	row, err := l.scan(ctx, sql, append([]any{key}, args...)...)
	if errors.Is(err, pgx.ErrNoRows) {
		// Another call inserted the key after our statement had begun, and
		// has committed since: the insert saw it, our snapshot did not.
		return l.scan(ctx, readSQL, key)
	}
	return row, err
}

const refundSQL = `
WITH refunded AS (
    UPDATE calls SET state = 'refunded', refund_key = $2, updated_at = clock_timestamp()
    WHERE key = $1 AND state = 'charged'
    RETURNING *
), booked AS (
    INSERT INTO ledger (transaction, key, reference, account, amount, kind)
    SELECT r.id || '/refund', r.key, r.reference, e.account, e.amount, 'refund'
    FROM refunded AS r, LATERAL (VALUES ('card:' || r.card, r.amount), ('merchant', -r.amount)) AS e (account, amount)
)
SELECT ` + columns + ` FROM refunded`

// Refund moves the money of a charge back. NOT_FOUND: the key was never seen.
// FAILED_PRECONDITION: there is no money to give back, or another refund gave
// it back. INVALID_ARGUMENT: the refund's key is that of another charge's.
func (l *Ledger) Refund(ctx context.Context, key, chargeKey string) (Transaction, error) {
	if err := answer.Text("key", key); err != nil {
		return Transaction{}, err
	}
	if err := answer.Text("charge_key", chargeKey); err != nil {
		return Transaction{}, err
	}
	row, err := l.scan(ctx, refundSQL, chargeKey, key)
	var server *pgconn.PgError
	if errors.As(err, &server) && server.Code == "23505" { // unique_violation
		return Transaction{}, answer.Invalid("key", "%s is the refund of another charge", key)
	}
	if errors.Is(err, pgx.ErrNoRows) {
		row, err = l.scan(ctx, readSQL, chargeKey)
	}
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Transaction{}, status.Errorf(codes.NotFound, "there is no charge %s", chargeKey)
	case err != nil:
		return Transaction{}, fmt.Errorf("refunding: %w", err)
	case row.State != Refunded:
		return Transaction{}, answer.Refused(ReasonNotCharged, "key %s is %s: there is nothing to refund", chargeKey, row.State)
	case row.refundKey != key:
		return Transaction{}, answer.Refused(ReasonRefunded, "charge %s was refunded under another key", chargeKey)
	}
	return row.Transaction, nil
}

// Get returns what became of a key, or NOT_FOUND.
func (l *Ledger) Get(ctx context.Context, key string) (Transaction, error) {
	if err := answer.Text("key", key); err != nil {
		return Transaction{}, err
	}
	row, err := l.scan(ctx, readSQL, key)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Transaction{}, status.Errorf(codes.NotFound, "there is no charge %s", key)
	case err != nil:
		return Transaction{}, fmt.Errorf("reading a charge: %w", err)
	}
	return row.Transaction, nil
}

func (l *Ledger) scan(ctx context.Context, sql string, args ...any) (call, error) {
	var c call
	err := l.db.QueryRow(ctx, sql, args...).
		Scan(&c.Key, &c.ID, &c.Reference, &c.Amount, &c.State, &c.currency, &c.card, &c.refundKey)
	return c, err
}
