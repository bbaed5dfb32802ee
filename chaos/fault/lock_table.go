package fault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// lockTable keeps a table locked, as a migration does that waits for its
// operator: every statement on it waits until its time is up, and with them the
// pool's connections.
type lockTable struct {
	tableLock
	id string
}

func init() {
	register(Kind{Name: "lock_table", On: onStores, Needs: needs[deploy.Insider](),
		Doc:    "Keeps a table of a PostgreSQL server locked (ACCESS EXCLUSIVE), by an idle transaction: statements on it wait until their time is up.",
		Params: "table: schema.table, where the schema has its service's name",
		build: func(r chaos.Resolved) (chaos.Fault, error) {
			f := &lockTable{id: r.ID}
			f.sessions = newSessions(r.ID, stores{r.Instances}, f.asOwner)
			if err := decode(r.Args, f); err != nil {
				return nil, err
			}
			return f, f.validate()
		}})
}

// Inject locks the table, and keeps a vigil that tells the server that the
// lock's holder lives, and takes the lock again if it was lost.
func (f *lockTable) Inject(ctx context.Context, s deploy.System) error {
	dismiss(f.id, s)
	holders := map[string]*pgx.Conn{}
	drop := func(ctx context.Context) {
		for _, c := range holders {
			part(ctx, c)
		}
	}
	hold := func(ctx context.Context, store string, tries int) error {
		if c := holders[store]; c != nil {
			if c.Ping(ctx) == nil {
				return nil
			}
			part(ctx, c)
			delete(holders, store)
		}
		if overslept(ctx) {
			return context.DeadlineExceeded
		}
		c, err := f.enter(ctx, s, store, idleLease...)
		if err != nil {
			return err
		}
		if err := f.take(ctx, c, tries); err != nil {
			part(ctx, c)
			return err
		}
		holders[store] = c
		return nil
	}
	if err := f.each(func(store string) error { return hold(ctx, store, triesAtFirst) }); err != nil {
		drop(ctx)
		return err
	}
	watch(ctx, f.id, s, func(ctx context.Context, w watchman) {
		defer drop(ctx)
		w.every(ctx, renewEvery, func(ctx context.Context) {
			_ = f.each(func(store string) error { return hold(ctx, store, triesLater) }) // a server that is away is asked again
		})
	})
	return nil
}

// Lift lets go of the table.
func (f *lockTable) Lift(ctx context.Context, s deploy.System) error { return f.lift(ctx, s, f.id) }

// Probe wants our session to have the lock and others to wait for the table,
// while the server answers them at once what needs none; after the lift, the
// table to answer.
func (f *lockTable) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	// An unlocked table answers within milliseconds.
	const patience = 500 * time.Millisecond
	if !injected {
		return f.free(ctx, s, patience)
	}
	saw := ""
	err := f.each(func(store string) error {
		return f.visit(ctx, s, store, func(c *pgx.Conn) error {
			n, err := f.held(ctx, c)
			if err != nil {
				return err
			}
			if n == 0 {
				return fmt.Errorf("%s: no session of ours has the lock", f.Table)
			}
			took, err := f.touch(ctx, c, patience)
			if err == nil {
				return fmt.Errorf("%s answered after %s", f.Table, round(took))
			}
			if !isState(err, lockNotAvailable) {
				return err
			}
			quick, err := answer(ctx, c)
			if err == nil && quick > patience {
				err = errors.New("the server itself is as slow: that the table is locked cannot be told")
			}
			saw = fmt.Sprintf("%s is locked by us: a statement waited %s in vain, the server itself answers after %s", f.Table, round(took), round(quick))
			return err
		})
	})
	return saw, err
}

// Met reports a statement of the table's owner that was given up, or lasted for
// longer than any that does not wait.
func (f *lockTable) Met(s collector.Span) bool {
	const waited = 300 * time.Millisecond // a statement of a service lasts milliseconds
	return f.mine(s) && s.Duration() >= waited
}
