package fault

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// slowStatements makes every statement on a table wait: the table is locked for
// a while, let go for as long as those need who have queued, and locked again.
// A statement waits for the rest of the stretch into which it comes, half of it
// on average, and never fails by it. A trigger that sleeps would be even, and a
// change of the schema that stays when its maker dies.
type slowStatements struct {
	tableLock
	Delay topology.Duration `json:"delay"`
	id    string
}

const (
	// leastDelay is many times what an unharmed statement takes.
	leastDelay = 50 * time.Millisecond
	// mostDelay leaves room within the second after which services give a
	// statement up: beyond it, it is a lock that is wanted.
	mostDelay = 900 * time.Millisecond
)

func init() {
	register(Kind{Name: "slow_statements", On: onStores, Needs: needs[deploy.Insider](),
		Doc:    "Makes every statement on a table of a PostgreSQL server wait, for up to delay and half of it on average, by a lock that comes and goes; nothing in the schema changes.",
		Params: "table: schema.table, where the schema has its service's name; delay: 50ms to 900ms",
		build: func(r chaos.Resolved) (chaos.Fault, error) {
			f := &slowStatements{id: r.ID}
			f.sessions = newSessions(r.ID, stores{r.Instances}, f.asOwner)
			if err := decode(r.Args, f); err != nil {
				return nil, err
			}
			if f.Delay.D() < leastDelay || f.Delay.D() > mostDelay {
				return nil, fmt.Errorf("delay must be between %s and %s", leastDelay, mostDelay)
			}
			return f, f.validate()
		}})
}

// Inject locks the table for the first time, and keeps a vigil that lets go and
// locks again.
func (f *slowStatements) Inject(ctx context.Context, s deploy.System) error {
	dismiss(f.id, s)
	var holders []*holder
	err := f.each(func(store string) error {
		h := &holder{fault: f, system: s, store: store}
		holders = append(holders, h)
		return h.lock(ctx, triesAtFirst)
	})
	if err != nil {
		for _, h := range holders {
			h.drop(ctx)
		}
		return err
	}
	watch(ctx, f.id, s, func(ctx context.Context, w watchman) {
		var all sync.WaitGroup
		for _, h := range holders {
			all.Go(func() {
				defer h.drop(ctx)
				w := w // each looks at a watch of its own
				w.every(ctx, 0, h.turn)
			})
		}
		all.Wait()
	})
	return nil
}

// A holder locks and lets go at one store.
type holder struct {
	fault  *slowStatements
	system deploy.System
	store  string
	conn   *pgx.Conn // nil: it has none
}

func (h *holder) lock(ctx context.Context, tries int) (err error) {
	if h.conn == nil {
		if h.conn, err = h.fault.enter(ctx, h.system, h.store, idleLease...); err != nil {
			h.conn = nil
			return err
		}
	}
	if err := h.fault.take(ctx, h.conn, tries); err != nil {
		h.drop(ctx)
		return err
	}
	return nil
}

// turn holds the lock that it has for the delay, lets go, and locks again
// behind those who have queued meanwhile.
func (h *holder) turn(ctx context.Context) {
	wait := h.fault.Delay.D()
	if h.conn == nil {
		wait = renewEvery // the server is away, or will not have us
	}
	select {
	case <-ctx.Done():
		return
	case <-time.After(wait):
	}
	if h.conn != nil {
		if _, err := h.conn.Exec(ctx, "ROLLBACK"); err != nil {
			h.drop(ctx)
		}
	}
	if !overslept(ctx) {
		_ = h.lock(ctx, triesLater) // else at the next turn
	}
}

func (h *holder) drop(ctx context.Context) {
	if h.conn != nil {
		part(ctx, h.conn)
		h.conn = nil
	}
}

// Lift lets go of the table.
func (f *slowStatements) Lift(ctx context.Context, s deploy.System) error {
	return f.lift(ctx, s, f.id)
}

// Probe wants statements on the table to wait, one after the other, while the
// server answers at once what needs no table; after the lift, the table to
// answer at once.
func (f *slowStatements) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	// One begins in the middle of a stretch, and each further one at the
	// beginning: so many wait for longer than half of a stretch.
	const asked = 3
	least := f.Delay.D() / 2
	if !injected {
		return f.free(ctx, s, least)
	}
	saw := ""
	err := f.each(func(store string) error {
		return f.visit(ctx, s, store, func(c *pgx.Conn) error {
			var slowest time.Duration
			quickest := time.Hour
			for range asked {
				took, err := f.touch(ctx, c, lockPatience+mostDelay)
				if err != nil {
					return fmt.Errorf("%s: %w", f.Table, err)
				}
				slowest = max(slowest, took)
				direct, err := answer(ctx, c)
				if err != nil {
					return err
				}
				quickest = min(quickest, direct)
			}
			switch {
			case slowest < least:
				return fmt.Errorf("%s answered after %s at the latest", f.Table, round(slowest))
			case quickest >= least/2:
				return fmt.Errorf("%s answered after %s, but the server itself after %s: that the table is slow cannot be told", f.Table, round(slowest), round(quickest))
			}
			n, err := f.count(ctx, c)
			if err == nil && n == 0 {
				err = fmt.Errorf("%s is slow, and not by us", f.Table)
			}
			saw = fmt.Sprintf("%s answers after up to %s, the server itself after %s", f.Table, round(slowest), round(quickest))
			return err
		})
	})
	return saw, err
}

// Met reports a statement of the table's owner that waited for at least half of
// the delay, as half of those that meet it do and nothing else does.
func (f *slowStatements) Met(s collector.Span) bool {
	return f.mine(s) && s.Duration() >= f.Delay.D()/2
}
