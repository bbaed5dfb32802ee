package enginetest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/bedlamlab/bedlam/deploy"
)

func connect(t *testing.T, f *fixture, role string) *pgx.Conn {
	t.Helper()
	dsn, err := power[deploy.Databaser](t, f).DSN(store, role)
	if err != nil {
		t.Fatal(err)
	}
	c, err := pgx.Connect(within(t), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

// storeKeepsItsRows commits, kills the server at once, and reads.
func storeKeepsItsRows(t *testing.T, f *fixture) {
	killer := power[deploy.Killer](t, f)
	before := f.inspect(t, "pg-1")
	c := connect(t, f, front)
	if _, err := c.Exec(within(t), "CREATE TABLE notes (n int PRIMARY KEY)"); err != nil {
		t.Fatal(err)
	}
	for n := range 100 {
		if _, err := c.Exec(within(t), "INSERT INTO notes VALUES ($1)", n); err != nil {
			t.Fatal(err)
		}
	}
	if err := killer.Kill(within(t), "pg-1"); err != nil {
		t.Fatal(err)
	}
	if err := c.Ping(within(t)); err == nil {
		t.Error("a connection lives although the server was killed")
	}
	f.until(t, "pg-1", "is restarted", func(st deploy.State) bool { return st.Ready && st.Starts == before.Starts+1 })
	var n int
	if err := connect(t, f, front).QueryRow(within(t), "SELECT count(*) FROM front.notes").Scan(&n); err != nil {
		t.Fatal(err)
	}
	if n != 100 {
		t.Errorf("%d rows are there, want the 100 that were committed", n)
	}
	// The fronts find it again through the relay.
	f.whole(t)
}

func pauseStore(t *testing.T, f *fixture) {
	pauser := power[deploy.Pauser](t, f)
	c := connect(t, f, front)
	if err := pauser.Pause(within(t), "pg-1"); err != nil {
		t.Fatal(err)
	}
	if st := f.inspect(t, "pg-1"); st.Phase != deploy.Paused {
		t.Errorf("it is %s, want it paused", st.Phase)
	}
	// A connection of before: its server process, not the postmaster, has to
	// stand still for it.
	ping := ask(func() error { return c.Ping(within(t)) })
	ping.stillOpen(t, func() error { return healthy(within(t), f.address(t, "front-1", "back-1")) })
	if err := pauser.Resume(within(t), "pg-1"); err != nil {
		t.Fatal(err)
	}
	ping.settles(t)
}

// rolesAreApart asks each role who it is and what it may.
func rolesAreApart(t *testing.T, f *fixture) {
	var who, schema string
	own := connect(t, f, front)
	if err := own.QueryRow(within(t), "SELECT current_user, current_schema()").Scan(&who, &schema); err != nil {
		t.Fatal(err)
	}
	if who != front || schema != front {
		t.Errorf("it is role %s with schema %s, want %s for both", who, schema, front)
	}
	if _, err := own.Exec(within(t), "CREATE TABLE IF NOT EXISTS secrets (n int)"); err != nil {
		t.Fatal(err)
	}
	audit := connect(t, f, deploy.AuditRole)
	if _, err := audit.Exec(within(t), "SELECT * FROM front.secrets"); err == nil {
		t.Error("the audit's role may read a table that nobody granted it")
	}
}
