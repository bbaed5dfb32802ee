package fault_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/postgres"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// stored is the small system with a real PostgreSQL for db-1.
func stored(t *testing.T) *fake {
	t.Helper()
	s := newFake()
	var err error
	if s.store, err = server(t); err != nil {
		t.Skipf("there is no PostgreSQL to harm: %v", err)
	}
	return s
}

func onStore(t *testing.T, id, action, args string) chaos.Fault {
	t.Helper()
	f, err := fault.Build(chaos.Resolved{ID: id, Action: action, Instances: []string{"db-1"}, Args: chaos.RawArgs(args)})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// code is the SQLSTATE of an error; "lost" for a connection that has ended.
func code(err error) string {
	if e := (*pgconn.PgError)(nil); errors.As(err, &e) {
		return e.Code
	}
	if err != nil {
		return "lost"
	}
	return ""
}

// Each fault on stores is felt by a client of the server, seen by its probe when
// it is there and only then, and gone after the lift.
func TestStoreFaults(t *testing.T) {
	t.Parallel() // most of it is waiting
	s := stored(t)
	counting := func(c *pgx.Conn) error {
		_, err := c.Exec(t.Context(), "SELECT count(*) FROM things")
		return err
	}
	hasty := func(c *pgx.Conn) error {
		_, err := c.Exec(t.Context(), "SET lock_timeout = '50ms'")
		if err != nil {
			return err
		}
		return counting(c)
	}
	for _, c := range []struct {
		action, args string
		id           string
		felt         func(c *pgx.Conn) error // by a session that was there before
		as           string                  // in SQLSTATE, while it is on
	}{
		{"terminate_backends", ``, "x/1", counting, "57P01"},
		{"terminate_backends", `{"of":["back"],"every":"100ms"}`, "x/1", counting, "57P01"},
		{"exhaust_connections", ``, strings.Repeat("a name that is longer than a server keeps ", 3) + "/ü", func(*pgx.Conn) error {
			c, err := pgx.Connect(t.Context(), postgres.DSN(s.store, "back"))
			if err == nil {
				c.Close(t.Context())
			}
			return err
		}, "53300"},
		{"lock_table", `{"table":"back.things"}`, "x/1", hasty, "55P03"},
	} {
		t.Run(c.action+c.args, func(t *testing.T) {
			session := client(t, s.store, "back")
			f := onStore(t, c.id, c.action, c.args)
			p := f.(chaos.Prober)
			if saw, err := p.Probe(t.Context(), s, true); err == nil {
				t.Errorf("it is seen before it is there: %s", saw)
			}
			if err := f.Inject(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			looks(t, p, s, true)
			if got := code(c.felt(session)); got != c.as && !(c.as == "57P01" && got == "lost") {
				t.Errorf("a client feels %q, want %q", got, c.as)
			}
			if saw, err := p.Probe(t.Context(), s, false); err == nil && c.action != "terminate_backends" { // whose harm is done
				t.Errorf("it is seen to be gone while it is there: %s", saw)
			}
			if err := f.Lift(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			looks(t, p, s, false)
			if fault.Watching(c.id, s) {
				t.Error("its vigil goes on after the lift")
			}
			if err := counting(client(t, s.store, "back")); err != nil {
				t.Errorf("after the lift, a client fails: %v", err)
			}
		})
	}
}

// A statement on a slow table comes through, late; others do at once.
func TestSlowStatements(t *testing.T) {
	t.Parallel() // most of it is waiting
	s := stored(t)
	const delay = 300 * time.Millisecond
	f := onStore(t, "x/1", "slow_statements", `{"table":"back.things","delay":"300ms"}`)
	p := f.(chaos.Prober)
	if saw, err := p.Probe(t.Context(), s, true); err == nil {
		t.Errorf("it is seen before it is there: %s", saw)
	}
	if err := f.Inject(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	looks(t, p, s, true)
	if saw, err := p.Probe(t.Context(), s, false); err == nil {
		t.Errorf("it is seen to be gone while it is there: %s", saw)
	}
	c := client(t, s.store, "back")
	var slowest time.Duration
	for range 4 {
		begin := time.Now()
		if _, err := c.Exec(t.Context(), "UPDATE things SET n = n + 1"); err != nil {
			t.Fatalf("a statement fails, and should only wait: %v", err)
		}
		slowest = max(slowest, time.Since(begin))
	}
	if slowest < delay/2 {
		t.Errorf("the slowest of four statements took %s", slowest)
	}
	if err := f.Lift(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	looks(t, p, s, false)
}

// What looks like the fault and is somebody else's doing is not taken for it.
func TestStoreControls(t *testing.T) {
	t.Parallel() // most of it is waiting
	s := stored(t)
	lock := onStore(t, "x/1", "lock_table", `{"table":"back.things"}`)
	other := client(t, s.store, "back")
	if _, err := other.Exec(t.Context(), "BEGIN; LOCK TABLE things IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	for want, f := range map[string]chaos.Fault{
		"no session of ours has the lock": lock,
		"back.things":                     onStore(t, "x/2", "slow_statements", `{"table":"back.things","delay":"900ms"}`),
	} {
		if saw, err := f.(chaos.Prober).Probe(t.Context(), s, true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("another's lock: the probe saw %q, %v; want %q", saw, err, want)
		}
	}
	// A lock that is not to be had is no harm done, and nothing stays in the queue.
	short, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := lock.Inject(short, s); err == nil {
		t.Error("a table that another has locked was locked")
	}
	other.Close(t.Context())

	// Somebody else has all of the slots.
	full := onStore(t, "x/3", "exhaust_connections", "")
	var theirs []*pgx.Conn
	for {
		c, err := pgx.Connect(t.Context(), postgres.DSN(s.store, deploy.AuditRole))
		if err != nil {
			if code(err) != "53300" {
				t.Fatal(err)
			}
			break
		}
		theirs = append(theirs, c)
	}
	if saw, err := full.(chaos.Prober).Probe(t.Context(), s, true); err == nil || !strings.Contains(err.Error(), "not by us") {
		t.Errorf("another's connections: the probe saw %q, %v", saw, err)
	}
	for _, c := range theirs {
		c.Close(t.Context())
	}

	// It is only our own role that may have no more.
	super(t, s.store, "ALTER ROLE audit CONNECTION LIMIT 3")
	if err := full.Inject(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if saw, err := full.(chaos.Prober).Probe(t.Context(), s, true); err == nil || !strings.Contains(err.Error(), "slots are free") {
		t.Errorf("with a limit on our role: the probe saw %q, %v", saw, err)
	}
	if err := full.Lift(t.Context(), s); err != nil {
		t.Fatal(err)
	}

	// Sessions that end with their server are not ended by us.
	ended := onStore(t, "x/4", "terminate_backends", "")
	if err := ended.Inject(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ended.Lift(context.Background(), s) })
	if saw, err := ended.(chaos.Prober).Probe(t.Context(), s, true); err == nil || !strings.Contains(err.Error(), "there was no session to end") {
		t.Errorf("without a session: the probe saw %q, %v", saw, err)
	}
	super(t, s.store, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename IS NOT NULL")
	if saw, err := ended.(chaos.Prober).Probe(t.Context(), s, true); err == nil || !strings.Contains(err.Error(), "our own session has ended as well") {
		t.Errorf("when all sessions end: the probe saw %q, %v", saw, err)
	}
}

// A slot that becomes free is taken; a lock that was lost is taken again.
func TestStoreFaultsLast(t *testing.T) {
	t.Parallel() // most of it is waiting
	s := stored(t)
	for _, f := range []chaos.Fault{onStore(t, "x/1", "exhaust_connections", ""), onStore(t, "x/2", "lock_table", `{"table":"back.things"}`)} {
		if _, ok := f.(chaos.Prober); !ok {
			t.Fatal("no probe")
		}
		if err := f.Inject(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		super(t, s.store, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'bedlam x/%'")
		looks(t, f.(chaos.Prober), s, true)
		if err := f.Lift(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMetAtStores(t *testing.T) {
	span := func(service, peer, code, message string, took time.Duration, failed bool) collector.Span {
		now := time.Now()
		return collector.Span{Service: service, PeerInstance: peer, Code: code, Message: message, Error: failed, Start: now, End: now.Add(took)}
	}
	const ms = time.Millisecond
	for _, c := range []struct {
		action, args string
		span         collector.Span
		met          bool
	}{
		{"terminate_backends", ``, span("back", "db-1", "57P01", "", ms, true), true},
		{"terminate_backends", ``, span("back", "db-1", "", "unexpected EOF", ms, true), true},
		{"terminate_backends", ``, span("back", "db-1", "", "context canceled", ms, true), false},
		{"terminate_backends", ``, span("back", "db-1", "53300", "", ms, true), false},
		{"terminate_backends", ``, span("back", "db-2", "57P01", "", ms, true), false},
		{"terminate_backends", `{"of":["front"]}`, span("back", "db-1", "57P01", "", ms, true), false},
		{"exhaust_connections", ``, span("back", "db-1", "", "FATAL: sorry, too many clients already (SQLSTATE 53300)", ms, true), true},
		{"exhaust_connections", ``, span("back", "db-1", "53300", "", ms, true), true},
		{"exhaust_connections", ``, span("back", "db-1", "57P01", "", ms, true), false},
		{"exhaust_connections", ``, span("back", "db-1", "53300", "", ms, false), false},
		{"lock_table", `{"table":"back.things"}`, span("back", "db-1", "57014", "", time.Second, true), true},
		{"lock_table", `{"table":"back.things"}`, span("back", "db-1", "", "", time.Second, false), true},
		{"lock_table", `{"table":"back.things"}`, span("back", "db-1", "23505", "", ms, true), false},
		{"lock_table", `{"table":"back.things"}`, span("front", "db-1", "57014", "", time.Second, true), false},
		{"lock_table", `{"table":"back.things"}`, span("back", "back-2", "", "", time.Second, true), false},
		{"slow_statements", `{"table":"back.things","delay":"200ms"}`, span("back", "db-1", "", "", 110*ms, false), true},
		{"slow_statements", `{"table":"back.things","delay":"200ms"}`, span("back", "db-1", "", "", 90*ms, true), false},
		{"slow_statements", `{"table":"back.things","delay":"200ms"}`, span("front", "db-1", "", "", 110*ms, false), false},
	} {
		if met := onStore(t, "x/1", c.action, c.args).(chaos.Witnessed).Met(c.span); met != c.met {
			t.Errorf("%s%s: %+v: met %t", c.action, c.args, c.span, met)
		}
	}
}

// What is no store, or keeps nothing there, is refused before anything is touched.
func TestStoreFaultsFit(t *testing.T) {
	s := newFake()
	s.store.Port = 1
	for _, c := range []struct{ action, args, victim, want string }{
		{"exhaust_connections", ``, "back-1", "back-1 is no PostgreSQL server: it speaks grpc"},
		{"terminate_backends", ``, "front-1", "front-1 is no PostgreSQL server: it speaks http"},
		{"terminate_backends", `{"of":["front"]}`, "db-1", "front keeps no data in db-1 (want one of back)"},
		{"lock_table", `{"table":"front.things"}`, "db-1", "front keeps no data in db-1 (want one of back)"},
		{"slow_statements", `{"table":"back.things","delay":"100ms"}`, "db-9", `small has no instance called "db-9"`},
	} {
		r := chaos.Resolved{ID: "x/1", Action: c.action, Instances: []string{c.victim}, Args: chaos.RawArgs(c.args)}
		for what, err := range map[string]error{"fit": fault.Fit(r, shop()), "supported": fault.Supported(r, s)} {
			if err == nil || !strings.HasSuffix(err.Error(), c.want) {
				t.Errorf("%s of %s on %s: got %v, want %s", what, c.action, c.victim, err, c.want)
			}
		}
	}
	if len(s.calls) > 0 {
		t.Errorf("although it does not fit, it did %q", s.calls)
	}
	s.refuse["dsn db-1"] = errors.ErrUnsupported
	for _, r := range []chaos.Resolved{{Action: "exhaust_connections", Instances: []string{"db-1"}}, {Action: "lock_table", Instances: []string{"db-1"}, Args: chaos.RawArgs(`{"table":"back.things"}`)}} {
		if err := fault.Supported(r, s); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: a store that nobody can log in at is taken: %v", r.Action, err)
		}
	}
}
