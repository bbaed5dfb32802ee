package audit_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/bedlamlab/bedlam/chaos/audit"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/postgres"
	"github.com/bedlamlab/bedlam/topology"
)

// a store is a real server with the roles of two services.
type store struct {
	*testing.T
	server *postgres.Server
}

func newStore(t *testing.T) store {
	t.Helper()
	cache, err := postgres.CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	pg, err := postgres.Find(t.Context(), cache, func(s string) { t.Log(s) })
	if err != nil {
		t.Skipf("needs PostgreSQL, and there is none: %v", err)
	}
	dir, err := os.MkdirTemp("", "bedlam-audit-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // root's server runs as somebody else
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	s, err := pg.Start(t.Context(), postgres.Options{
		Dir: filepath.Join(dir, "server"), Port: l.Addr().(*net.TCPAddr).Port, Database: "shop",
		Roles: []postgres.Role{
			{Name: "orders", Password: "o", Schema: "orders"},
			{Name: "bank", Password: "b", Schema: "bank"},
			{Name: "checkout", Password: "c", Schema: "checkout"},
			{Name: deploy.AuditRole, Password: "a"},
		},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	return store{t, s}
}

func (s store) source() audit.Source {
	return audit.Source{Store: "postgres", DSN: s.server.DSN(deploy.AuditRole)}
}

func (s store) exec(role string, statements ...string) {
	s.Helper()
	c, err := pgx.Connect(s.Context(), s.server.DSN(role))
	if err != nil {
		s.Fatal(err)
	}
	defer c.Close(s.Context())
	for _, sql := range statements {
		if _, err := c.Exec(s.Context(), sql); err != nil {
			s.Fatalf("%s: %v", sql, err)
		}
	}
}

const grantOrders = "GRANT USAGE ON SCHEMA orders TO audit; GRANT SELECT ON audit_outbox, audit_lines TO audit"

func (s store) orders() {
	s.Helper()
	s.exec("orders",
		"CREATE TABLE outbox (event text, order_id text, type text, created_at timestamptz, published_at timestamptz)",
		"CREATE TABLE lines (order_id text, quantity bigint, note text)",
		"CREATE VIEW audit_outbox AS SELECT * FROM outbox",
		"CREATE VIEW audit_lines AS SELECT * FROM lines",
		"CREATE VIEW audit_secret AS SELECT 1 AS one", // not granted
		"CREATE VIEW summary AS SELECT 1 AS one",      // no audit view
		grantOrders+"; GRANT SELECT ON summary TO audit",
		`INSERT INTO outbox VALUES
			('e-2', 'o-2', 'paid', '2026-01-31 10:00:01.5+00', NULL),
			('e-1', 'o-1', 'paid', '2026-01-31 11:00:00+01', '2026-01-31 10:10:00+00'),
			('e-0', 'o-0', 'paid', '2026-01-31 09:00:00+00', '2026-01-31 09:00:01+00')`,
		`INSERT INTO lines VALUES ('o-1', 2, E'a "b"\r\n'), ('o-0', -1, NULL), ('o-0', -1, '')`)
}

func TestReadBringsEveryRowOfEveryView(t *testing.T) {
	s := newStore(t)
	s.orders()
	sources := []audit.Source{s.source()}
	views, err := audit.Views(t.Context(), sources)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string][]string{"postgres": {"orders.audit_lines", "orders.audit_outbox"}}, views); diff != "" {
		t.Errorf("views (-want +got)\n%s", diff)
	}
	a, err := audit.Read(t.Context(), sources, "final", true)
	if err != nil {
		t.Fatal(err)
	}
	if a.Name != "final" || !a.Final || time.Since(a.Time) > time.Hour {
		t.Errorf("audit %q, final %v, of %v", a.Name, a.Final, a.Time)
	}
	lines, outbox := a.Views["orders.audit_lines"], a.Views["orders.audit_outbox"]
	if diff := cmp.Diff([]string{"order_id", "quantity", "note"}, lines.Columns); diff != "" {
		t.Errorf("columns (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([][]string{{"o-0", "-1", ""}, {"o-0", "-1", ""}, {"o-1", "2", "a \"b\"\r\n"}}, lines.Rows); diff != "" {
		t.Errorf("lines (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([][]string{
		{"e-0", "o-0", "paid", "2026-01-31 09:00:00+00", "2026-01-31 09:00:01+00"},
		{"e-1", "o-1", "paid", "2026-01-31 10:00:00+00", "2026-01-31 10:10:00+00"},
		{"e-2", "o-2", "paid", "2026-01-31 10:00:01.5+00", ""},
	}, outbox.Rows); diff != "" {
		t.Errorf("outbox (-want +got)\n%s", diff)
	}
	dir := t.TempDir()
	if err := audit.Save(dir, a); err != nil {
		t.Fatal(err)
	}
	loaded, torn, err := audit.Load(dir)
	if err != nil || len(torn) > 0 || len(loaded) != 1 {
		t.Fatalf("%d audits, torn %q, error %v", len(loaded), torn, err)
	}
	if diff := cmp.Diff(a, loaded[0]); diff != "" {
		t.Errorf("(-read +loaded)\n%s", diff)
	}
}

func TestReadSinceLimitsWhatBearsATime(t *testing.T) {
	s := newStore(t)
	s.orders()
	since := time.Date(2026, 1, 31, 10, 5, 0, 0, time.UTC)
	a, err := audit.ReadSince(t.Context(), []audit.Source{s.source()}, "01-x", since)
	if err != nil {
		t.Fatal(err)
	}
	var events []string
	for _, r := range a.Views["orders.audit_outbox"].Rows {
		events = append(events, r[0])
	}
	// e-1 was written before and published after; e-2 is open but untouched.
	if got, want := events, []string{"e-1"}; !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
	if got, want := len(a.Views["orders.audit_lines"].Rows), 3; got != want {
		t.Errorf("%d lines, want all %d: the view bears no time", got, want)
	}
	if a.Final {
		t.Error("a look in between calls itself final")
	}
	// The overlap catches a row whose transaction began before the last audit
	// and ended after it.
	if a, err = audit.ReadSince(t.Context(), []audit.Source{s.source()}, "02-x", time.Date(2026, 1, 31, 10, 10, 0, 0, time.UTC).Add(audit.Overlap)); err != nil {
		t.Fatal(err)
	}
	if got := len(a.Views["orders.audit_outbox"].Rows); got != 1 {
		t.Errorf("%d rows within the overlap, want 1", got)
	}
}

func TestEachStoreIsReadAtOneMoment(t *testing.T) {
	s := newStore(t)
	s.exec("bank",
		"CREATE TABLE a (n bigint)", "CREATE TABLE b (n bigint)",
		"CREATE VIEW audit_a AS SELECT n FROM a", "CREATE VIEW audit_b AS SELECT n FROM b",
		"GRANT USAGE ON SCHEMA bank TO audit; GRANT SELECT ON audit_a, audit_b TO audit")
	// One transaction after another adds a row to both tables; a reader that
	// saw two moments would find the later view ahead.
	ctx, stop := context.WithCancel(t.Context())
	done, first := make(chan error, 1), make(chan struct{})
	go func() {
		c, err := pgx.Connect(ctx, s.server.DSN("bank"))
		if err != nil {
			done <- err
			close(first)
			return
		}
		defer c.Close(context.Background())
		for n := 0; ctx.Err() == nil; n++ {
			if _, err = c.Exec(ctx, fmt.Sprintf("BEGIN; INSERT INTO a VALUES (%d); INSERT INTO b VALUES (%d); COMMIT", n, n)); err != nil {
				break
			}
			if n == 0 {
				close(first)
			}
		}
		if ctx.Err() != nil {
			err = nil
		}
		done <- err
	}()
	<-first
	for range 20 {
		a, err := audit.Read(t.Context(), []audit.Source{s.source()}, "x", false)
		if err != nil {
			t.Fatal(err)
		}
		if x, y := len(a.Views["bank.audit_a"].Rows), len(a.Views["bank.audit_b"].Rows); x != y || x == 0 {
			t.Fatalf("%d rows in one view and %d in the other, want as many", x, y)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestReadRefuses(t *testing.T) {
	s := newStore(t)
	if _, err := audit.Read(t.Context(), []audit.Source{s.source()}, "x", true); err == nil || !strings.Contains(err.Error(), "postgres") {
		t.Errorf("a store without audit views: error %v, want one that names it", err)
	}
	s.orders()
	if _, err := audit.Read(t.Context(), []audit.Source{s.source(), s.source()}, "x", true); err == nil || !strings.Contains(err.Error(), "more than one store") {
		t.Errorf("the same view in two stores: error %v", err)
	}
	gone := audit.Source{Store: "bankdb", DSN: "postgres://audit:a@127.0.0.1:1/shop?sslmode=disable"}
	for name, err := range map[string]error{
		"reading": func() error {
			_, err := audit.Read(t.Context(), []audit.Source{s.source(), gone}, "x", true)
			return err
		}(),
		"pending": func() error { _, err := audit.Pending(t.Context(), []audit.Source{gone}); return err }(),
		"views":   func() error { _, err := audit.Views(t.Context(), []audit.Source{gone}); return err }(),
	} {
		if err == nil || !strings.Contains(err.Error(), "bankdb") {
			t.Errorf("%s a store that is gone: error %v, want one that names it", name, err)
		}
	}
}

func TestPending(t *testing.T) {
	s := newStore(t)
	s.exec("orders",
		"CREATE TABLE outbox (event text, order_id text, type text, created_at timestamptz, published_at timestamptz)",
		"CREATE TABLE lines (order_id text)",
		"CREATE VIEW audit_outbox AS SELECT * FROM outbox", "CREATE VIEW audit_lines AS SELECT * FROM lines", grantOrders,
		"INSERT INTO outbox VALUES ('e-1', 'o-1', 'paid', now(), now())")
	s.exec("bank",
		"CREATE TABLE calls (key text, reference text, amount bigint, state text, created_at timestamptz DEFAULT now(), updated_at timestamptz)",
		"CREATE VIEW audit_calls AS SELECT * FROM calls",
		"GRANT USAGE ON SCHEMA bank TO audit; GRANT SELECT ON audit_calls TO audit",
		"INSERT INTO calls VALUES ('k-1', 'o-1', 5, 'charged'), ('k-2', 'o-2', 5, 'void')")
	s.exec("checkout",
		"CREATE TABLE sagas (saga text, order_id text, state text, step text, created_at timestamptz DEFAULT now())",
		"CREATE VIEW audit_sagas AS SELECT * FROM sagas",
		"GRANT USAGE ON SCHEMA checkout TO audit; GRANT SELECT ON audit_sagas TO audit",
		"INSERT INTO sagas VALUES ('s-1', 'o-1', 'completed', 'done'), ('s-2', 'o-2', 'compensated', 'done')")
	pending := func() []string {
		t.Helper()
		lines, err := audit.Pending(t.Context(), []audit.Source{s.source()})
		if err != nil {
			t.Fatal(err)
		}
		return lines
	}
	if got := pending(); len(got) != 0 {
		t.Errorf("a quiet system has pending %q", got)
	}
	s.exec("orders", "INSERT INTO outbox VALUES ('e-2', 'o-2', 'paid', now(), NULL)")
	s.exec("bank", "INSERT INTO calls SELECT 'k' || n, 'o' || n, 1, 'open', timestamptz '2026-01-01 00:00+00' + n * interval '1 s' FROM generate_series(1, 25) n")
	s.exec("checkout", "INSERT INTO sagas VALUES ('s-3', 'o-3', 'running', 'charge'), ('s-4', 'o-4', 'compensating', 'release')")
	got := pending()
	want := []string{
		"saga s-3 of order o-3 is running at step charge",
		"saga s-4 of order o-4 is compensating at step release",
		"bank call k1 for o1 is open since 2026-01-01 00:00:01+00",
		"bank call k20 for o20 is open since 2026-01-01 00:00:20+00",
		"and 5 more in bank.audit_calls",
		"event e-2 (paid) of order o-2 is not published",
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("no line %q", line)
		}
	}
	if len(got) != 2+20+1+1 {
		t.Errorf("%d lines, want 24:\n%s", len(got), strings.Join(got, "\n"))
	}
}

// paper is a system whose engine knows its stores, or does not.
type paper struct{ deploy.System }

func (paper) Topology() topology.System {
	return topology.System{Services: []topology.Service{
		{Name: "orders", Store: "postgres"}, {Name: "bank", Store: "bankdb"}, {Name: "shipping", Store: "postgres"},
		{Name: "postgres"}, {Name: "bankdb"}, {Name: "unused"},
	}}
}

type databased struct{ paper }

func (databased) DSN(store, role string) (string, error) { return store + "/" + role, nil }

func TestSources(t *testing.T) {
	got, err := audit.Sources(databased{})
	if err != nil {
		t.Fatal(err)
	}
	want := []audit.Source{{Store: "postgres", DSN: "postgres/audit"}, {Store: "bankdb", DSN: "bankdb/audit"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, err := audit.Sources(paper{}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("without the power: error %v, want ErrUnsupported", err)
	}
}
