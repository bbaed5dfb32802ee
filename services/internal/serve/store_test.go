package serve_test

import (
	"context"
	"errors"
	"net/url"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/catalog/catalogpb"
	"github.com/bedlamlab/bedlam/services/internal/serve"
	"github.com/bedlamlab/bedlam/services/internal/servetest"
	"github.com/bedlamlab/bedlam/topology"
)

func ask(ctx context.Context, e *serve.Env, peer string) error {
	_, err := catalogpb.NewCatalogClient(e.Peer(peer)).Get(ctx, &catalogpb.GetRequest{Sku: "x"})
	return err
}

var migrations = fstest.MapFS{"migrations/00001_notes.sql": {Data: []byte("-- +goose Up\nCREATE TABLE notes (text text PRIMARY KEY);\n")}}

// stored returns a service that does get, and its assignment.
func stored(dsn string, get func(context.Context, *serve.Env) error) (serve.Service, topology.Assignment) {
	s := service(get)
	s.Migrations = migrations
	a := assignment()
	a.Store, a.StoreInstance = dsn, "postgres-1"
	return s, a
}

func query(sql string) func(context.Context, *serve.Env) error {
	return func(ctx context.Context, e *serve.Env) error { _, err := e.DB.Exec(ctx, sql); return err }
}

// backends counts the service's sessions that are in a state, "" for any.
func backends(t *testing.T, conn *pgx.Conn, state string) (n int) {
	t.Helper()
	err := conn.QueryRow(context.Background(),
		"SELECT count(*) FROM pg_stat_activity WHERE application_name = 'probe-1' AND ($1 = '' OR state = $1)", state).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestReplicasMigrateOnce(t *testing.T) {
	dsn := servetest.Postgres(t)
	t.Run("together", func(t *testing.T) {
		for _, name := range []string{"probe-1", "probe-2", "probe-3"} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s, a := stored(dsn, query("INSERT INTO notes VALUES ('x') ON CONFLICT DO NOTHING"))
				a.Instance.Name = name
				c, _ := start(t, s, a)
				if err := get(t, c); err != nil {
					t.Error(err)
				}
			})
		}
	})
	var notes int
	if err := servetest.Connect(t, dsn).QueryRow(t.Context(), "SELECT count(*) FROM probe.notes").Scan(&notes); err != nil || notes != 1 {
		t.Errorf("the table in the service's own schema holds %d notes (%v), want 1", notes, err)
	}
}

func TestABadMigrationEndsTheService(t *testing.T) {
	s, a := stored(servetest.Postgres(t), query("SELECT 1"))
	s.Migrations = fstest.MapFS{"migrations/00001_bad.sql": {Data: []byte("-- +goose Up\nCREATE NONSENSE;\n")}}
	a.Listen = servetest.Address(t)
	if err := serve.Run(t.Context(), a, s); err == nil {
		t.Error("a migration that can never work is waited for")
	}
}

func TestTheStoreIsWaitedFor(t *testing.T) {
	dsn := servetest.Postgres(t)
	at, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	real, later := at.Host, servetest.Address(t)
	at.Host = later
	s, a := stored(at.String(), query("SELECT FROM notes"))
	a.Listen = servetest.Address(t)

	t.Run("until it is told to stop", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- serve.Run(ctx, a, s) }()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("told to stop while it waited, it ended with %v, want no error", err)
		}
	})
	t.Run("until it is there", func(t *testing.T) {
		forward(t, later, real, 3)
		c, _ := start(t, s, a)
		if err := get(t, c); err != nil {
			t.Error(err)
		}
	})
}

func TestThePoolRecovers(t *testing.T) {
	dsn := servetest.Postgres(t)
	s, a := stored(dsn, query("SELECT FROM notes"))
	c, _ := start(t, s, a)
	conn := servetest.Connect(t, dsn)
	for range 3 {
		if err := get(t, c); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'probe-1'"); err != nil {
			t.Fatal(err)
		}
		servetest.Await(t, "an answer on a new connection", func() bool {
			err := get(t, c)
			if err != nil && status.Code(err) != codes.Unavailable {
				t.Errorf("a lost connection is %v, want UNAVAILABLE", err)
			}
			return err == nil
		})
	}
}

func TestSQLEndsWithItsRequest(t *testing.T) {
	dsn := servetest.Postgres(t)
	s, a := stored(dsn, query("SELECT pg_sleep(3600)"))
	// So long that only the request can have ended it.
	a.Policies = map[string]topology.Policy{"postgres": {Timeout: topology.Duration(time.Hour)}}
	c, _ := start(t, s, a)
	conn := servetest.Connect(t, dsn)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { _, err := c.Get(ctx, &catalogpb.GetRequest{}); ended <- err }()
	servetest.Await(t, "the statement to run", func() bool { return backends(t, conn, "active") == 1 })
	cancel()
	if err := <-ended; status.Code(err) != codes.Canceled {
		t.Errorf("got %v, want CANCELLED", err)
	}
	servetest.Await(t, "the statement to be cancelled", func() bool { return backends(t, conn, "active") == 0 })
}

func TestAStatementHasItsTime(t *testing.T) {
	s, a := stored(servetest.Postgres(t), query("SELECT pg_sleep(3600)"))
	a.Policies = map[string]topology.Policy{"postgres": {Timeout: topology.Duration(100 * time.Millisecond)}}
	c, _ := start(t, s, a)
	if err := get(t, c); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("got %v, want DEADLINE_EXCEEDED", err)
	}
}

// TestAFrozenTransactionIsEnded has a replica stop in the middle of a
// transaction: its row locks must not outlive it for long.
func TestAFrozenTransactionIsEnded(t *testing.T) {
	dsn := servetest.Postgres(t)
	inside, release := make(chan struct{}), make(chan struct{})
	s, a := stored(dsn, func(ctx context.Context, e *serve.Env) error {
		return pgx.BeginFunc(ctx, e.DB, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "INSERT INTO notes VALUES ('locked')"); err != nil {
				return err
			}
			close(inside)
			<-release
			_, err := tx.Exec(ctx, "SELECT 1")
			return err
		})
	})
	// The store ends an idle transaction after twice that; BEGIN and INSERT have
	// to be through in it once.
	a.Policies = map[string]topology.Policy{"postgres": {Timeout: topology.Duration(time.Second)}}
	c, _ := start(t, s, a)
	ended := make(chan error, 1)
	go func() { ended <- get(t, c) }()
	select {
	case <-inside:
	case err := <-ended:
		t.Fatal("the transaction did not begin: ", err)
	}
	conn := servetest.Connect(t, dsn)
	servetest.Await(t, "the transaction to be ended by the store", func() bool { return backends(t, conn, "idle in transaction") == 0 })
	close(release)
	if err := <-ended; status.Code(err) != codes.Unavailable {
		t.Errorf("got %v, want UNAVAILABLE", err)
	}
}

// TestSpans reads what a service has sent by the time it has ended.
func TestSpans(t *testing.T) {
	r := newReceiver(t)
	s, a := stored(servetest.Postgres(t), func(ctx context.Context, e *serve.Env) error {
		if _, err := e.DB.Exec(ctx, "SELECT FROM notes"); err != nil {
			return err
		}
		return errors.New("as told")
	})
	a.Telemetry = r.URL
	c, stop := start(t, s, a)
	if err := get(t, c); status.Code(err) != codes.Internal {
		t.Fatalf("got %v, want INTERNAL", err)
	}
	stop()
	server := r.with("rpc.grpc.status_code", "INTERNAL")
	if len(server) != 1 || server[0].GetName() != "shop.catalog.v1.Catalog/Get" {
		t.Fatalf("got server spans %v, want one, of the method", server)
	}
	var found bool
	for _, q := range r.with("peer.service", "postgres") {
		found = found || string(q.GetParentSpanId()) == string(server[0].GetSpanId()) && attribute(q, "peer.instance") == "postgres-1"
	}
	if !found {
		t.Error("no span of the statement, at postgres-1, below the request's")
	}
	for _, s := range r.spans {
		if s.GetName() == "grpc.health.v1.Health/Check" {
			t.Error("health checks are traced")
		}
	}
}
