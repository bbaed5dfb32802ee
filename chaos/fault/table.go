package fault

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// A tableLock is an ACCESS EXCLUSIVE lock on one table, held by sessions of
// the service that owns it. Each holds it by a transaction that is idle, so
// that it is free as soon as the holder's process is gone: a session that works
// would not notice before it is done.
type tableLock struct {
	sessions
	Table string `json:"table"` // schema.table; the schema carries its service's name
}

// tableName is a table as it is written here: names that need no quotes.
var tableName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}\.[a-z_][a-z0-9_]{0,62}$`)

func (l *tableLock) validate() error {
	if !tableName.MatchString(l.Table) {
		return fmt.Errorf("table must be schema.table, in lower case, and is %q", l.Table)
	}
	return nil
}

// owner is the service whose table it is.
func (l *tableLock) owner() string {
	owner, _, _ := strings.Cut(l.Table, ".")
	return owner
}

// asOwner logs in as the service that owns the table: it may lock what is its
// own, and nobody else's.
func (l *tableLock) asOwner(s deploy.System, store string) (string, error) {
	p, err := deploy.Power[deploy.Insider](s)
	if err != nil {
		return "", err
	}
	return p.Login(store, l.owner())
}

func (l *tableLock) fits(t topology.System) error { return l.keeps(t, l.owner()) }

// lockPatience bounds one wait for the lock. Whoever comes after us waits for
// us, so it is kept under the second after which PostgreSQL looks for deadlocks:
// in one that we have a part in, it is we who give way.
const lockPatience = 800 * time.Millisecond

// idleLease has the server end a transaction whose holder does not speak.
var idleLease = []string{"idle_in_transaction_session_timeout", fmt.Sprint(lease.Milliseconds())}

// How often the lock is tried for: at first for longer than any statement of a
// service may last, later within the time of a vigil's round.
const (
	triesAtFirst = 10
	triesLater   = 2
)

// take begins a transaction that holds the lock. A lock that is not to be had
// in time is tried for again.
func (l *tableLock) take(ctx context.Context, c *pgx.Conn, tries int) error {
	var err error
	for range tries {
		_, err = c.Exec(ctx, fmt.Sprintf("BEGIN; SET LOCAL lock_timeout = %d; LOCK TABLE %s IN ACCESS EXCLUSIVE MODE", lockPatience.Milliseconds(), l.Table))
		if err == nil {
			return nil
		}
		if _, e := c.Exec(ctx, "ROLLBACK"); e != nil || !isState(err, lockNotAvailable) {
			break
		}
	}
	return fmt.Errorf("locking %s: %w", l.Table, err)
}

// held returns how many of our sessions have the lock, as c sees it.
func (l *tableLock) held(ctx context.Context, c *pgx.Conn) (n int, err error) {
	err = c.QueryRow(ctx, `SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
		WHERE l.relation = $1::regclass AND l.mode = 'AccessExclusiveLock' AND l.granted AND a.application_name = $2`, l.Table, l.name).Scan(&n)
	return n, err
}

// touch asks the table for as little as can be asked, for at most patience, and
// returns how long that took.
func (l *tableLock) touch(ctx context.Context, c *pgx.Conn, patience time.Duration) (time.Duration, error) {
	begin := time.Now()
	_, err := c.Exec(ctx, fmt.Sprintf("BEGIN; SET LOCAL lock_timeout = %d; LOCK TABLE %s IN ACCESS SHARE MODE; ROLLBACK", patience.Milliseconds(), l.Table))
	took := time.Since(begin)
	if err != nil {
		if _, e := c.Exec(ctx, "ROLLBACK"); e != nil {
			return took, e
		}
	}
	return took, err
}

// answer asks the server for what needs no table.
func answer(ctx context.Context, c *pgx.Conn) (time.Duration, error) {
	begin := time.Now()
	err := c.Ping(ctx)
	return time.Since(begin), err
}

// Lift ends the vigil and every session that is left.
func (l *tableLock) lift(ctx context.Context, s deploy.System, id string) error {
	if err := l.admitted(s); err != nil {
		return err
	}
	dismiss(id, s)
	return l.clear(ctx, s)
}

// free wants every store to have none of our sessions and the table to answer
// within limit.
func (l *tableLock) free(ctx context.Context, s deploy.System, limit time.Duration) (string, error) {
	if err := l.gone(ctx, s); err != nil {
		return "", err
	}
	saw := ""
	err := l.each(func(store string) error {
		return l.visit(ctx, s, store, func(c *pgx.Conn) error {
			took, err := l.touch(ctx, c, limit)
			if err != nil {
				return fmt.Errorf("%s: %w", l.Table, err)
			}
			saw = fmt.Sprintf("%s answers after %s, and no session of ours is left", l.Table, round(took))
			return nil
		})
	})
	return saw, err
}

// mine reports a statement of the table's owner at one of the victims.
func (l *tableLock) mine(s collector.Span) bool {
	if s.Service != l.owner() {
		return false
	}
	for _, in := range l.victims {
		if in == s.PeerInstance {
			return true
		}
	}
	return false
}
