package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// exhaustConnections takes every slot of a server with idle sessions, as a
// client does that leaks them. Who has a connection keeps it; who needs another
// is refused. A slot that becomes free is taken as well.
type exhaustConnections struct {
	sessions
	id string

	mu   sync.Mutex
	held map[string][]*pgx.Conn // by store
}

func init() {
	register(Kind{Name: "exhaust_connections", On: onStores, Needs: needs[deploy.Databaser](),
		Doc: "Takes every free connection slot of a PostgreSQL server with idle sessions, and each that becomes free: whoever needs a new connection is refused (53300).",
		build: func(r chaos.Resolved) (chaos.Fault, error) {
			f := &exhaustConnections{id: r.ID, held: map[string][]*pgx.Conn{}}
			f.sessions = newSessions(r.ID, stores{r.Instances}, audited)
			return f, decode(r.Args, &struct{}{})
		}})
}

// audited logs in as the role that may connect and do nothing else: no more is
// needed to take a slot.
func audited(s deploy.System, store string) (string, error) {
	p, err := deploy.Power[deploy.Databaser](s)
	if err != nil {
		return "", err
	}
	return p.DSN(store, deploy.AuditRole)
}

const (
	// refillEvery is how soon a freed slot is taken: well before most of those
	// who want it come back.
	refillEvery = 20 * time.Millisecond
	// fillers log in at the same time: most of a login is waiting.
	fillers = 8
	// mostSessions is more than any server for tests has; who has more is not
	// for one client to fill.
	mostSessions = 2000
)

// leased are the settings by which a server ends an idle session whose holder
// does not speak any more. PostgreSQL has the first since version 14.
var leased = []string{"idle_session_timeout", fmt.Sprint(lease.Milliseconds())}

func (f *exhaustConnections) fits(t topology.System) error { return f.keeps(t) }

// Inject takes every slot that there is now, and keeps a vigil that takes those
// that become free.
func (f *exhaustConnections) Inject(ctx context.Context, s deploy.System) error {
	dismiss(f.id, s)
	if err := f.each(func(store string) error { return f.fill(ctx, s, store, fillers) }); err != nil {
		f.drop(ctx)
		return err
	}
	watch(ctx, f.id, s, func(ctx context.Context, w watchman) {
		defer f.drop(ctx)
		renewed := time.Now()
		w.every(ctx, refillEvery, func(ctx context.Context) {
			due := time.Since(renewed) > renewEvery
			for _, store := range f.victims {
				if due {
					f.renew(ctx, store)
				}
				if free := f.free(ctx, store); free > 0 && !overslept(ctx) {
					_ = f.fill(ctx, s, store, min(free, fillers)) // a server that is away is asked again
				}
			}
			if due {
				renewed = time.Now()
			}
		})
	})
	return nil
}

// fill logs in, so many at a time, until the server refuses for want of a slot.
func (f *exhaustConnections) fill(ctx context.Context, s deploy.System, store string, atATime int) error {
	var all sync.WaitGroup
	errs := make([]error, atATime)
	for i := range errs {
		all.Go(func() {
			for f.size(store) < mostSessions && ctx.Err() == nil {
				c, err := f.enter(ctx, s, store, leased...)
				if err != nil {
					errs[i] = refusal(err)
					return
				}
				f.mu.Lock()
				f.held[store] = append(f.held[store], c)
				f.mu.Unlock()
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// refusal says what is wrong with a login; that there is no slot left is not.
func refusal(err error) error {
	switch {
	case isState(err, tooManyConnections):
		return nil
	case isState(err, unknownSetting):
		return fmt.Errorf("this PostgreSQL has no idle_session_timeout, which comes with version 14 and ends the sessions of a process that hangs: %w", errors.ErrUnsupported)
	}
	return err
}

// free asks the server how many slots are not taken, by one of those that are
// ours. Without one it cannot be told: there may be one.
func (f *exhaustConnections) free(ctx context.Context, store string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.held[store]) == 0 {
		return 1
	}
	// Those who log in just now are not counted: they are refused or they are not.
	err := f.held[store][0].QueryRow(ctx, `SELECT least(
			current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
				- coalesce(current_setting('reserved_connections', true)::int, 0) - count(*),
			CASE WHEN d.datconnlimit >= 0 THEN d.datconnlimit - count(*) FILTER (WHERE a.datid = d.oid) END)
		FROM pg_stat_activity a CROSS JOIN pg_database d
		WHERE a.datid IS NOT NULL AND a.usesysid IS NOT NULL AND d.datname = current_database()
		GROUP BY d.oid, d.datconnlimit`).Scan(&n)
	if err != nil {
		f.held[store][0].Close(ctx)
		f.held[store] = f.held[store][1:]
		return 1
	}
	return n
}

// renew tells the server that the sessions' holder lives, and forgets those
// that it has ended.
func (f *exhaustConnections) renew(ctx context.Context, store string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held[store] = slices.DeleteFunc(f.held[store], func(c *pgx.Conn) bool {
		if overslept(ctx) {
			return false // what is not renewed ends by itself
		}
		if err := c.Ping(ctx); err != nil {
			c.Close(ctx)
			return true
		}
		return false
	})
}

func (f *exhaustConnections) size(store string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.held[store])
}

// drop closes every session.
func (f *exhaustConnections) drop(ctx context.Context) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for store, held := range f.held {
		for _, c := range held {
			part(ctx, c)
		}
		delete(f.held, store)
	}
}

// Lift ends the vigil and every session that is left.
func (f *exhaustConnections) Lift(ctx context.Context, s deploy.System) error {
	if err := f.admitted(s); err != nil {
		return err
	}
	dismiss(f.id, s)
	return f.clear(ctx, s)
}

// Probe wants every server to refuse a login for want of a slot while it
// answers a session that it has; after the lift, to let us in.
func (f *exhaustConnections) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	if !injected {
		return "a new connection is accepted, and none of ours is left", f.gone(ctx, s)
	}
	saw := ""
	err := f.each(func(store string) error {
		err := f.visit(ctx, s, store, func(*pgx.Conn) error { return nil })
		if err == nil {
			return errors.New("a new connection is accepted")
		}
		if !isState(err, tooManyConnections) {
			return fmt.Errorf("a new connection is not refused for want of a slot: %w", err)
		}
		if f.size(store) == 0 {
			return errors.New("the slots are taken, and not by us")
		}
		// Or it is only our role that may have no more of them.
		if free := f.free(ctx, store); free > 0 {
			return fmt.Errorf("a new connection of ours is refused (%s), but %s free", tooManyConnections, count(free, "slot is", "slots are"))
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.held[store]) == 0 {
			return errors.New("the server does not answer the sessions that it has either")
		}
		ours, err := f.count(ctx, f.held[store][0])
		if err != nil {
			return fmt.Errorf("the server does not answer the sessions that it has either: %w", err)
		}
		saw = fmt.Sprintf("a new connection is refused (%s), and %s", tooManyConnections, count(ours, "slot is ours", "slots are ours"))
		return nil
	})
	return saw, err
}

// Met reports a statement that had no connection to go over.
func (f *exhaustConnections) Met(s collector.Span) bool {
	return f.stores.Met(s) && sqlstate(s) == tooManyConnections
}
