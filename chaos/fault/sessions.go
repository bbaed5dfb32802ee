package fault

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bedlamlab/bedlam/deploy"
)

// sessions are a fault's own at its stores, by the application's name. All of
// them are of one role, which may therefore end them.
type sessions struct {
	stores
	name string
	dsn  func(s deploy.System, store string) (string, error)
}

// longestName is what PostgreSQL keeps of an application's name, in bytes.
const longestName = 63

// newSessions returns those of the fault with this ID.
func newSessions(id string, v stores, dsn func(deploy.System, string) (string, error)) sessions {
	name := "bedlam " + id
	odd := strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' }) // which the server would change
	if odd || len(name) > longestName {
		name = fmt.Sprintf("bedlam %x", sha256.Sum256([]byte(id)))[:longestName]
	}
	return sessions{v, name, dsn}
}

// admitted implements [storeFault].
func (f sessions) admitted(s deploy.System) error {
	for _, in := range f.victims {
		if _, err := f.dsn(s, in); err != nil {
			return err
		}
	}
	return nil
}

// enter logs in at a store as one of the sessions.
func (f sessions) enter(ctx context.Context, s deploy.System, store string, settings ...string) (*pgx.Conn, error) {
	dsn, err := f.dsn(s, store)
	if err != nil {
		return nil, err
	}
	return loginAs(ctx, dsn, f.name, settings...)
}

// visit logs in at a store beside the sessions, as who looks after them, and
// leaves when do returns.
func (f sessions) visit(ctx context.Context, s deploy.System, store string, do func(*pgx.Conn) error) error {
	dsn, err := f.dsn(s, store)
	if err != nil {
		return err
	}
	c, err := loginAs(ctx, dsn, "bedlam")
	if err != nil {
		return err
	}
	defer part(ctx, c)
	return do(c)
}

// count returns how many of the sessions a server has, as c sees it.
func (f sessions) count(ctx context.Context, c *pgx.Conn) (n int, err error) {
	err = c.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1", f.name).Scan(&n)
	return n, err
}

// clear ends all of the sessions, whoever holds them, and returns when every
// server says that it has none. A server that is not there has none. One whose
// slots are all taken lets nobody in to end them: then those that hold them
// are gone, or end by their lease. Whatever else is in the way is tried again:
// who heals a run asks for its lift once.
func (f sessions) clear(ctx context.Context, s deploy.System) error {
	const (
		patience = 2 * lease // for the lease, and as long again for a busy machine
		askEvery = 50 * time.Millisecond
	)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return f.each(func(store string) error {
		for {
			left := 0
			err := f.visit(ctx, s, store, func(c *pgx.Conn) error {
				_, err := c.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
					WHERE application_name = $1 AND usename = current_user`, f.name)
				if err == nil {
					left, err = f.count(ctx, c)
				}
				return err
			})
			switch {
			case err == nil && left == 0, err != nil && unreachable(err):
				return nil
			case errors.Is(err, errors.ErrUnsupported):
				return err
			case err == nil:
				err = fmt.Errorf("the server still has %s", count(left, "session", "sessions"))
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("ending our sessions: %w", err)
			case <-time.After(askEvery):
			}
		}
	})
}

// gone wants every server to let us in and to have none of the sessions.
func (f sessions) gone(ctx context.Context, s deploy.System) error {
	return f.each(func(store string) error {
		return f.visit(ctx, s, store, func(c *pgx.Conn) error {
			n, err := f.count(ctx, c)
			if err == nil && n > 0 {
				err = fmt.Errorf("the server still has %s", count(n, "session of ours", "sessions of ours"))
			}
			return err
		})
	})
}
