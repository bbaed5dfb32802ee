package fault

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// terminateBackends ends the sessions of services at their server, as an
// administrator, a failover or a proxy's restart does: whatever was under way
// is rolled back, and every pool holds connections that are dead.
type terminateBackends struct {
	stores
	Of    []string          `json:"of"`
	Every topology.Duration `json:"every"`

	id string

	mu      sync.Mutex
	tenants []*tenant
}

// A tenant is a service whose sessions are ended at one store, by a session of
// its own role: no other right is needed for it.
type tenant struct {
	store, service string
	conn           *pgx.Conn
	life           string // of the server, when it began
	ended          int
}

const (
	// soonest keeps a pool able to do something between two ends.
	soonest = 100 * time.Millisecond
	// latest is more than the time for which a fault is on.
	latest = time.Minute
)

func init() {
	register(Kind{Name: "terminate_backends", On: onStores, Needs: needs[deploy.Insider](),
		Doc:    "Ends the sessions of services at their PostgreSQL server (pg_terminate_backend); what was under way is rolled back.",
		Params: "of: [services] whose sessions end (all that keep data there); every: how often, 100ms to 1m (once)",
		build: func(r chaos.Resolved) (chaos.Fault, error) {
			f := &terminateBackends{stores: stores{r.Instances}, id: r.ID}
			if err := decode(r.Args, f); err != nil {
				return nil, err
			}
			if f.Every != 0 && (f.Every.D() < soonest || f.Every.D() > latest) {
				return nil, fmt.Errorf("every must be between %s and %s", soonest, latest)
			}
			return f, nil
		}})
}

func (f *terminateBackends) fits(t topology.System) error { return f.keeps(t, f.Of...) }

// victimsOf returns whose sessions end at a store.
func (f *terminateBackends) victimsOf(t topology.System, store string) ([]string, error) {
	all, err := f.stores.tenants(t, store)
	if len(f.Of) > 0 {
		all = f.Of
	}
	return all, err
}

func (f *terminateBackends) admitted(s deploy.System) error {
	p, err := deploy.Power[deploy.Insider](s)
	if err != nil {
		return err
	}
	return f.each(func(store string) error {
		services, err := f.victimsOf(s.Topology(), store)
		for _, service := range services {
			if _, e := p.Login(store, service); e != nil {
				return e
			}
		}
		return err
	})
}

// Inject ends the sessions that there are. If it is to be done again, the
// sessions that do it stay: there may be no slot for a new one.
func (f *terminateBackends) Inject(ctx context.Context, s deploy.System) error {
	dismiss(f.id, s)
	err := f.admitted(s)
	if err == nil {
		err = f.enterAll(ctx, s)
	}
	if err == nil {
		err = f.strike(ctx, s)
	}
	if err != nil {
		f.leave(ctx)
		return err
	}
	watch(ctx, f.id, s, func(ctx context.Context, w watchman) {
		defer f.leave(ctx)
		if f.Every == 0 {
			<-ctx.Done()
			return
		}
		if w.rest(ctx, f.Every.D()) { // the first was just now
			w.every(ctx, f.Every.D(), func(ctx context.Context) { _ = f.strike(ctx, s) }) // a server that is away is asked again
		}
	})
	return nil
}

func (f *terminateBackends) enterAll(ctx context.Context, s deploy.System) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tenants = nil
	return f.each(func(store string) error {
		services, err := f.victimsOf(s.Topology(), store)
		for _, service := range services {
			t := &tenant{store: store, service: service}
			f.tenants = append(f.tenants, t)
			if err := f.reach(ctx, s, t); err != nil {
				return err
			}
		}
		return err
	})
}

// reach sees to it that a tenant has a session.
func (f *terminateBackends) reach(ctx context.Context, s deploy.System, t *tenant) error {
	if t.conn != nil && !t.conn.IsClosed() {
		return nil
	}
	p, err := deploy.Power[deploy.Insider](s)
	if err != nil {
		return err
	}
	dsn, err := p.Login(t.store, t.service)
	if err != nil {
		return err
	}
	if t.conn, err = loginAs(ctx, dsn, "bedlam"); err != nil {
		return err
	}
	return t.conn.QueryRow(ctx, "SELECT pg_postmaster_start_time()::text").Scan(&t.life)
}

// theirs are the sessions of a service itself: not those that bear our name.
const theirs = "FROM pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid() AND application_name NOT LIKE 'bedlam%'"

func (f *terminateBackends) strike(ctx context.Context, s deploy.System) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.tenants {
		if err := f.reach(ctx, s, t); err != nil {
			return err
		}
		if overslept(ctx) {
			return context.DeadlineExceeded
		}
		n := 0
		if err := t.conn.QueryRow(ctx, "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) "+theirs).Scan(&n); err != nil {
			return fmt.Errorf("ending the sessions of %s: %w", t.service, err)
		}
		t.ended += n
	}
	return nil
}

func (f *terminateBackends) leave(ctx context.Context) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.tenants {
		if t.conn != nil {
			part(ctx, t.conn)
		}
	}
}

// Lift stops it. The sessions that were ended are their services' to begin again.
func (f *terminateBackends) Lift(ctx context.Context, s deploy.System) error {
	if err := f.admitted(s); err != nil {
		return err
	}
	dismiss(f.id, s)
	return nil
}

// Passes implements [chaos.Passing]: pools begin new sessions, unless those end
// again.
func (f *terminateBackends) Passes() bool { return f.Every == 0 }

// Probe wants sessions to have been ended by a server that goes on, as its own
// start and our session there say; after the lift, each service to be let in.
func (f *terminateBackends) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	if !injected {
		return f.open(ctx, s)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	ended, of := 0, []string{}
	for _, t := range f.tenants {
		life := ""
		if err := t.conn.QueryRow(ctx, "SELECT pg_postmaster_start_time()::text").Scan(&life); err != nil {
			return "", fmt.Errorf("%s: our own session has ended as well: %w", t.store, err)
		}
		if life != t.life {
			return "", fmt.Errorf("%s was started again at %s: that sessions were ended cannot be told", t.store, life)
		}
		if t.ended > 0 {
			of = append(of, t.service)
		}
		ended += t.ended
	}
	if ended == 0 {
		return "", fmt.Errorf("%s: there was no session to end", strings.Join(f.victims, ", "))
	}
	slices.Sort(of)
	return fmt.Sprintf("%s ended (of %s), and the server goes on", count(ended, "session was", "sessions were"), strings.Join(slices.Compact(of), ", ")), nil
}

// open wants every service to be let in.
func (f *terminateBackends) open(ctx context.Context, s deploy.System) (string, error) {
	p, err := deploy.Power[deploy.Insider](s)
	if err != nil {
		return "", err
	}
	n := 0
	err = f.each(func(store string) error {
		services, err := f.victimsOf(s.Topology(), store)
		for _, service := range services {
			dsn, err := p.Login(store, service)
			if err != nil {
				return err
			}
			c, err := loginAs(ctx, dsn, "bedlam")
			if err != nil {
				return fmt.Errorf("%s: %w", service, err)
			}
			part(ctx, c)
			n++
		}
		return err
	})
	return count(n, "service is let in", "services are let in"), err
}

// Met reports a statement of one of the services that lost its session: by the
// server's word, or without one.
func (f *terminateBackends) Met(s collector.Span) bool {
	if !f.stores.Met(s) || len(f.Of) > 0 && !slices.Contains(f.Of, s.Service) {
		return false
	}
	code := sqlstate(s)
	return code == terminatedByAdmin || code == "" && lostConnection(s.Message)
}

// lostConnection reports whether an error without a code speaks of a
// connection that was there before.
func lostConnection(message string) bool {
	for _, sign := range []string{"EOF", "conn closed", "reset by peer", "broken pipe"} {
		if strings.Contains(message, sign) {
			return true
		}
	}
	return false
}
