package payment

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// An outcome is what the bank said of a charge, in the state it leads to.
type outcome struct {
	state     State
	reference string // the bank's identifier of the charge, if there is one
}

// Each statement compares the state that it changes, so of several which learn
// the same thing, or of a capture and a refund that meet, one books.

// A charge that is being given back does not become captured: whoever marked
// it sees to it that the bank gives it back.
const bookCapturedSQL = `
WITH settled AS (
    UPDATE charges SET state = 'captured', bank_reference = $2, updated_at = clock_timestamp()
    WHERE key = $1 AND state = 'pending' AND NOT giving_back
    RETURNING *
), booked AS (
    INSERT INTO ledger (transaction, key, order_id, account, amount, kind)
    SELECT s.bank_reference, s.key, s.order_id, e.account, e.amount, 'capture'
    FROM settled AS s, LATERAL (VALUES ('receivable:bank', s.amount), ('sales:orders', -s.amount)) AS e (account, amount)
)
SELECT ` + columns + ` FROM settled`

// The capture may have been booked already, or may have become known only
// now, together with its refund; the ledger tells both in either case.
const bookRefundedSQL = `
WITH settled AS (
    UPDATE charges SET state = 'refunded', bank_reference = $2, updated_at = clock_timestamp()
    WHERE key = $1 AND state IN ('pending', 'captured') AND giving_back
    RETURNING *
), booked AS (
    INSERT INTO ledger (transaction, key, order_id, account, amount, kind)
    SELECT s.bank_reference || e.suffix, s.key, s.order_id, e.account, e.amount, e.kind
    FROM settled AS s, LATERAL (VALUES
        ('', 'receivable:bank', s.amount, 'capture'), ('', 'sales:orders', -s.amount, 'capture'),
        ('/refund', 'receivable:bank', -s.amount, 'refund'), ('/refund', 'sales:orders', s.amount, 'refund')
    ) AS e (suffix, account, amount, kind)
    ON CONFLICT ON CONSTRAINT one_effect_for_each_key DO NOTHING
)
SELECT ` + columns + ` FROM settled`

const bookDeclinedSQL = `
UPDATE charges SET state = 'declined', updated_at = clock_timestamp()
WHERE key = $1 AND state = 'pending'
RETURNING ` + columns

// The bank's void is final, so the charge cannot become captured any more:
// the mark says so here too.
const bookVoidSQL = `
UPDATE charges SET state = 'void', giving_back = true, updated_at = clock_timestamp()
WHERE key = $1 AND state = 'pending'
RETURNING ` + columns

// Book writes down what the bank said, state and ledger together, unless it
// is written down already or a refund has come between, and returns the
// charge as it is then.
func (s *Store) Book(ctx context.Context, key string, o outcome) (Charge, error) {
	var row Charge
	var err error
	switch o.state {
	case Captured:
		row, err = s.scan(ctx, bookCapturedSQL, key, o.reference)
	case Refunded:
		row, err = s.scan(ctx, bookRefundedSQL, key, o.reference)
	case Declined:
		row, err = s.scan(ctx, bookDeclinedSQL, key)
	case Void:
		row, err = s.scan(ctx, bookVoidSQL, key)
	default: // nothing new
		err = pgx.ErrNoRows
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return s.Get(ctx, key)
	}
	return row, doing("booking the bank's answer", err)
}
