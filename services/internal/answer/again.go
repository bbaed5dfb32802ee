package answer

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// attempts is how often Again tries in all. Whoever loses a deadlock is alone
// on its rows the next time but for newcomers; a third loss in a row means
// contention that the caller's back-off resolves better than we do.
const attempts = 3

// Again calls f, and calls it again at once if PostgreSQL broke it off to end a
// deadlock or a serialization conflict, three times in all. f must be safe to
// repeat.
func Again(ctx context.Context, f func(context.Context) error) error {
	var err error
	for range attempts {
		if err = f(ctx); !brokenOff(err) || ctx.Err() != nil {
			return err
		}
	}
	return err
}

func brokenOff(err error) bool {
	var server *pgconn.PgError
	return errors.As(err, &server) &&
		(server.Code == "40001" /* serialization_failure */ || server.Code == "40P01" /* deadlock_detected */)
}
