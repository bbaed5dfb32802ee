package serve

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"google.golang.org/grpc/codes"
)

// migrated waits for the store and brings the service's schema up to date.
// It uses connections of its own, without the limits of a request: a
// migration may take its time, and may wait for the other replica's.
func migrated(ctx context.Context, pool *pgx.ConnConfig, s Service, log *slog.Logger) error {
	config := pool.Copy()
	config.Tracer = nil // no request waits for it
	delete(config.RuntimeParams, "statement_timeout")
	delete(config.RuntimeParams, "idle_in_transaction_session_timeout")
	return persist(ctx, log, func(ctx context.Context) error {
		db := stdlib.OpenDB(*config)
		defer db.Close()
		if err := db.PingContext(ctx); err != nil {
			return err
		}
		if s.Migrations == nil {
			return nil
		}
		// Two: goose holds one for the lock and may take another.
		db.SetMaxOpenConns(2)
		// A version table is made under the lock as well, so that replicas
		// which start together do not make it twice.
		p, err := goose.NewProvider(goose.DialectPostgres, db, s.Migrations,
			goose.WithSessionLocker(schemaLock{s.Name}), goose.WithSlog(log), goose.WithDisableGlobalRegistry(true))
		if err != nil {
			return fmt.Errorf("reading the migrations of %s: %w", s.Name, err)
		}
		if _, err := p.Up(ctx); err != nil {
			return fmt.Errorf("migrating the schema %s: %w", s.Name, err)
		}
		return nil
	})
}

// schemaLock lets one replica migrate while the others wait in the store's
// own queue, and makes the schema if the service's role owns none yet.
type schemaLock struct{ schema string }

func (l schemaLock) SessionLock(ctx context.Context, conn *sql.Conn) error {
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", l.key()); err != nil {
		return fmt.Errorf("locking the schema: %w", err)
	}
	// Not IF NOT EXISTS: it asks for a right on the database that the role
	// does not have, even when the schema is there.
	var found bool
	if err := conn.QueryRowContext(ctx, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", l.schema).Scan(&found); err != nil {
		return fmt.Errorf("looking for the schema: %w", err)
	}
	if !found {
		if _, err := conn.ExecContext(ctx, "CREATE SCHEMA "+pgx.Identifier{l.schema}.Sanitize()); err != nil {
			return fmt.Errorf("making the schema: %w", err)
		}
	}
	return nil
}

func (l schemaLock) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", l.key())
	return err
}

func (l schemaLock) key() int64 {
	h := fnv.New64a()
	h.Write([]byte("shop schema " + l.schema))
	return int64(h.Sum64())
}

// permanent reports whether an error at the start will not pass by waiting:
// the store answered, and what it said was not that it is busy or restarting.
func permanent(err error) bool {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		c := sqlCode(answer.Code)
		// 28: the role, 3D: the database may be made a moment later.
		return c == codes.Internal && !strings.HasPrefix(answer.Code, "28") && !strings.HasPrefix(answer.Code, "3D")
	}
	return errors.Is(err, goose.ErrNoMigrations) || errors.Is(err, context.Canceled)
}
