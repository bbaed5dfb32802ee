package inventory

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

	"github.com/bedlamlab/bedlam/services/internal/answer"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations returns a folder migrations with the goose migrations of inventory's schema. The rules
// that need several statements under one lock are functions there.
func Migrations() fs.FS {
	return migrations
}

// A Store is the stock in PostgreSQL. Any number of them may share one database.
type Store struct {
	db  *pgxpool.Pool
	ttl time.Duration
}

// NewStore returns the store in db, to which [Migrations] have been applied.
// A reservation is held for ttl.
func NewStore(db *pgxpool.Pool, ttl time.Duration) *Store { return &Store{db: db, ttl: ttl} }

// Reserve holds all lines of an order, or none. Asked for again it says the
// same, but holds anew what has expired.
//
//   - INVALID_ARGUMENT: the lines are wrong, or not those that the order has.
//   - FAILED_PRECONDITION: too little is free, or the order was released.
func (s *Store) Reserve(ctx context.Context, order string, lines []Line) (Reservation, error) {
	skus, quantities, err := arrange(lines)
	if err != nil {
		return Reservation{}, err
	}
	r, err := s.decide(ctx, "reserve($1, $2, $3, $4)", order, skus, quantities, s.ttl)
	return unlessReleased(r, err)
}

// Commit turns a reservation into a sale, once. FAILED_PRECONDITION: the order
// was released or never reserved, or has expired and its stock is gone.
func (s *Store) Commit(ctx context.Context, order string) (Reservation, error) {
	r, err := s.decide(ctx, "sell($1)", order)
	return unlessReleased(r, err)
}

// Release gives the stock of an order back, also if it has been sold, and
// forbids a late Reserve or Commit of it.
func (s *Store) Release(ctx context.Context, order string) (Reservation, error) {
	return s.decide(ctx, "release($1)", order)
}

// Available returns how much of a product is on hand and not reserved, or
// NOT_FOUND.
func (s *Store) Available(ctx context.Context, sku string) (int64, error) {
	if err := answer.Text("sku", sku); err != nil {
		return 0, err
	}
	var free int64
	err := s.db.QueryRow(ctx, `SELECT on_hand - reserved FROM stock WHERE sku = $1`, sku).Scan(&free)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return 0, status.Errorf(codes.NotFound, "there is no product %s", sku)
	case err != nil:
		return 0, fmt.Errorf("reading the stock: %w", err)
	}
	return free, nil
}

// Expire ends up to n reservations that are over their time and returns how
// many there were. Those that somebody is working on are left for later.
func (s *Store) Expire(ctx context.Context, n int) (ended int, err error) {
	err = answer.Again(ctx, func(ctx context.Context) error {
		return s.db.QueryRow(ctx, `SELECT expire($1)`, n).Scan(&ended)
	})
	if err != nil {
		return 0, fmt.Errorf("ending reservations: %w", err)
	}
	return ended, nil
}

// interruptions is how often a call may find that something came between. A
// reservation can be made and released once each, so the third look is certain.
const interruptions = 3

// decide calls a function of the schema, with the order as its first
// argument, and turns its verdict into an answer.
func (s *Store) decide(ctx context.Context, function, order string, more ...any) (Reservation, error) {
	if err := answer.Text("order", order); err != nil {
		return Reservation{}, err
	}
	sql := `SELECT verdict, COALESCE(until, now()), COALESCE(which, '') FROM ` + function
	args := append([]any{order}, more...)
	for range interruptions {
		var verdict, which string
		var until time.Time
		err := answer.Again(ctx, func(ctx context.Context) error {
			return s.db.QueryRow(ctx, sql, args...).Scan(&verdict, &until, &which)
		})
		switch {
		case err != nil:
			return Reservation{}, fmt.Errorf("%s of order %s: %w", function, order, err)
		case verdict != "again":
			return conclude(order, verdict, which, until)
		}
	}
	return Reservation{}, status.Errorf(codes.Aborted, "order %s was worked on by others all the time", order)
}

func conclude(order, verdict, which string, until time.Time) (Reservation, error) {
	switch {
	case verdict == "sold_out":
		return Reservation{}, answer.Refused(ReasonSoldOut, "%s is sold out", which)
	case verdict == "unknown" && which != "":
		return Reservation{}, answer.Refused(ReasonUnknownSKU, "there is no product %s", which)
	case verdict == "unknown":
		return Reservation{}, answer.Refused(ReasonNotReserved, "order %s was never reserved", order)
	case verdict == "other":
		return Reservation{}, answer.Invalid("lines", "are not those that order %s has reserved", order)
	}
	return Reservation{Order: order, State: State(verdict), Expires: until}, nil
}

// unlessReleased refuses an order that was released, for all but Release.
func unlessReleased(r Reservation, err error) (Reservation, error) {
	if err == nil && r.State == Released {
		return Reservation{}, answer.Refused(ReasonReleased, "order %s was released, and stays so", r.Order)
	}
	return r, err
}
