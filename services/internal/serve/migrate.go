package serve

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
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
		files, err := fs.Sub(s.Migrations, "migrations")
		if err != nil {
			return fmt.Errorf("reading the migrations of %s: %w", s.Name, err)
		}
		return alone(ctx, db, s.Name, func() error {
			p, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSlog(log), goose.WithDisableGlobalRegistry(true))
			if err != nil {
				return fmt.Errorf("reading the migrations of %s: %w", s.Name, err)
			}
			if _, err := p.Up(ctx); err != nil {
				return fmt.Errorf("migrating the schema %s: %w", s.Name, err)
			}
			return nil
		})
	})
}

// alone does what one replica does while the others wait in the store's own
// queue, and makes the schema if there is none yet. The lock belongs to a
// session: it goes with the connection, whatever ends that. (goose can lock
// by itself, but makes its table of versions before, where the replicas meet.)
func alone(ctx context.Context, db *sql.DB, schema string, do func() error) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("locking the schema: %w", err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", lockKey(schema)); err != nil {
		return fmt.Errorf("locking the schema: %w", err)
	}
	// Not IF NOT EXISTS: it asks for a right on the database that the role
	// does not have, even when the schema is there.
	var found bool
	if err := conn.QueryRowContext(ctx, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", schema).Scan(&found); err != nil {
		return fmt.Errorf("looking for the schema: %w", err)
	}
	if !found {
		if _, err := conn.ExecContext(ctx, "CREATE SCHEMA "+pgx.Identifier{schema}.Sanitize()); err != nil {
			return fmt.Errorf("making the schema: %w", err)
		}
	}
	return do() // db.Close ends the session and with it the lock
}

func lockKey(schema string) int64 {
	h := fnv.New64a()
	h.Write([]byte("shop schema " + schema))
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
