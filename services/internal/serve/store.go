package serve

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/attribute"

	"github.com/bedlamlab/bedlam/topology"
)

const (
	// maxConns: seven services with two replicas each share one PostgreSQL,
	// and 84 connections stay below its usual 100 with room for migrations
	// and audit. One connection serves about 300 short transactions a second,
	// so six are plenty for one replica.
	maxConns = 6
	// idleConn gives memory of the store back half a minute after a burst.
	idleConn = 30 * time.Second
	// connLife replaces even good connections now and then.
	connLife       = 10 * time.Minute
	connLifeJitter = 2 * time.Minute
	// poolCheck is how soon the pool notices connections that are over their time.
	poolCheck = 2 * time.Second
	// pingLimit bounds the question that the pool puts to a connection which
	// has been idle for a second: a store next door answers in a millisecond.
	pingLimit = 300 * time.Millisecond
	// storePatience is a statement's time if the edge has no policy.
	storePatience = time.Second
	// firstWait and lastWait bracket the back-off while the store is away at the start.
	firstWait = 50 * time.Millisecond
	lastWait  = time.Second
)

// openStore opens the pool, waits for the store and migrates the schema.
func openStore(ctx context.Context, a topology.Assignment, s Service, log *slog.Logger) (*pgxpool.Pool, error) {
	config, t, err := poolConfig(a, s)
	if err != nil {
		return nil, err
	}
	if err := migrated(ctx, config.ConnConfig, s, log); err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config) // connects when first asked
	if err != nil {
		return nil, err
	}
	_, instance, _ := storeOf(a)
	if err := observePool(pool, t, instance); err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// poolConfig returns how the pool is made, and its tracer.
func poolConfig(a topology.Assignment, s Service) (*pgxpool.Config, *tracer, error) {
	config, err := pgxpool.ParseConfig(a.Store)
	if err != nil {
		return nil, nil, err // it hides the password
	}
	store, instance, patience := storeOf(a)
	config.MaxConns = maxConns
	config.MaxConnIdleTime = idleConn
	config.MaxConnLifetime = connLife
	config.MaxConnLifetimeJitter = connLifeJitter
	config.HealthCheckPeriod = poolCheck
	config.PingTimeout = pingLimit

	c := config.ConnConfig
	c.ConnectTimeout = patience
	t := newTracer(attribute.String("peer.service", store), attribute.String("peer.instance", instance))
	c.Tracer = t
	c.RuntimeParams["application_name"] = a.Instance.Name
	c.RuntimeParams["search_path"] = pgx.Identifier{s.Name}.Sanitize()
	// The store ends what the service itself cannot end any more. A replica
	// that is frozen or cut off in the middle of a transaction must not hold
	// its row locks against the other one.
	c.RuntimeParams["statement_timeout"] = millis(patience)
	c.RuntimeParams["idle_in_transaction_session_timeout"] = millis(2 * patience)
	return config, t, nil
}

func millis(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }

// storeOf returns the store's service and instance, and a statement's time.
func storeOf(a topology.Assignment) (service, instance string, patience time.Duration) {
	instance = cmp.Or(a.StoreInstance, "postgres-1")
	service = instance
	if i := strings.LastIndexByte(instance, '-'); i > 0 {
		service = instance[:i] // instances are called service-N
	}
	return service, instance, cmp.Or(a.Policies[service].Timeout.D(), storePatience)
}

// persist repeats try with a growing back-off until it succeeds, fails for
// good, or ctx is done.
func persist(ctx context.Context, log *slog.Logger, try func(context.Context) error) error {
	wait := firstWait
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		if permanent(err) {
			return err
		}
		log.Warn("waiting for the store", "error", err, "again_in", wait.String())
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the store: %w (last: %w)", ctx.Err(), err)
		case <-time.After(wait):
		}
		wait = min(2*wait, lastWait)
	}
}
