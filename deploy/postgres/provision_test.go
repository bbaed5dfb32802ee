package postgres_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bedlamlab/bedlam/deploy/postgres"
)

// code returns the SQLSTATE of the server's refusal.
func code(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}

const (
	denied  = "42501" // insufficient privilege
	noRight = "42P01" // undefined table: its schema is not even seen
	readOny = "25006" // read-only transaction
)

func TestEachRoleHasItsOwnSchemaAndNothingElse(t *testing.T) {
	in, dir := install(t)
	s := start(t, in, options(t, dir))
	payment, orders, audit := open(t, s, "payment"), open(t, s, "orders"), open(t, s, "audit")
	do := func(sql string) {
		t.Helper()
		if _, err := payment.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	if got, want := show(t, payment, "SELECT current_schema()"), "payment"; got != want {
		t.Errorf("the role's tables go to schema %s, want %s", got, want)
	}
	do("CREATE TABLE charges (key text, card text)")
	do("INSERT INTO charges VALUES ('k', 'secret')")
	do("CREATE VIEW audit_charges AS SELECT key FROM charges")
	if _, err := audit.Exec(t.Context(), "SELECT * FROM payment.audit_charges"); code(err) != denied {
		t.Errorf("before a grant the audit reads the view: %v", err)
	}
	do("GRANT USAGE ON SCHEMA payment TO audit; GRANT SELECT ON audit_charges TO audit")
	if got := show(t, audit, "SELECT key FROM payment.audit_charges"); got != "k" {
		t.Errorf("after the grant the audit reads %q, want k", got)
	}
	do("GRANT INSERT ON charges TO audit") // a mistake
	for _, c := range []struct {
		who  string
		conn interface {
			Exec(context.Context, string, ...any) (pgconn.CommandTag, error)
		}
		sql, want string
	}{
		{"audit", audit, "SELECT * FROM payment.charges", denied},
		{"audit", audit, "INSERT INTO payment.charges VALUES ('x')", readOny},
		{"orders", orders, "CREATE TEMP TABLE x (n int)", denied},
		{"orders", orders, "SELECT * FROM payment.audit_charges", denied},
		{"orders", orders, "CREATE TABLE public.x (n int)", denied},
		{"orders", orders, "CREATE SCHEMA x", denied},
		{"orders", orders, "CREATE ROLE x", denied},
		{"orders", orders, "SELECT * FROM charges", noRight},
	} {
		if _, err := c.conn.Exec(t.Context(), c.sql); code(err) != c.want {
			t.Errorf("%s: %s: %v, want %s", c.who, c.sql, err, c.want)
		}
	}
	o := s.Options()
	o.Database = "template1"
	if err := postgres.Ready(t.Context(), postgres.DSN(o, "orders")); code(err) != denied {
		t.Errorf("orders connects to template1: %v", err)
	}
}

func TestProvisionAgainKeepsDataAndSetsPasswords(t *testing.T) {
	in, dir := install(t)
	o := options(t, dir)
	s := start(t, in, o)
	c := open(t, s, "orders")
	if _, err := c.Exec(t.Context(), "CREATE TABLE kept AS SELECT 1 AS n"); err != nil {
		t.Fatal(err)
	}
	o.Roles[1].Password = "another"
	o.Roles = append(o.Roles, postgres.Role{Name: "shipping", Password: "s", Schema: "shipping"})
	for range 2 {
		if err := in.Provision(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	if got := show(t, c, "SELECT n::text FROM kept"); got != "1" {
		t.Errorf("the table holds %s, want 1", got)
	}
	for role, want := range map[string]bool{"orders": true, "shipping": true, "audit": true, "nobody": false} {
		err := postgres.Ready(t.Context(), postgres.DSN(o, role))
		if (err == nil) != want {
			t.Errorf("%s connects: %v, want %v", role, err, want)
		}
	}
	if err := postgres.Ready(t.Context(), s.DSN("orders")); err == nil {
		t.Error("the old password still opens the door")
	}
	o.Password = "wrong"
	if err := in.Provision(t.Context(), o); err == nil {
		t.Error("provisioning with a wrong superuser's password: no error")
	}
}

func TestReadyWaitsForAServerAndNotForARefusal(t *testing.T) {
	in, dir := install(t)
	o := options(t, dir)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := postgres.Ready(ctx, postgres.DSN(o, "orders")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without a server: %v, want the deadline's error", err)
	}
	s := start(t, in, o)
	o.Roles[1].Password = "wrong"
	if err := postgres.Ready(t.Context(), postgres.DSN(o, "orders")); code(err) != "28P01" {
		t.Errorf("with a wrong password: %v, want the server's refusal", err)
	}
	if err := postgres.Ready(t.Context(), s.DSN("orders")); err != nil {
		t.Error(err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	in, dir := install(t)
	for why, change := range map[string]func(*postgres.Options){
		"relative folder":         func(o *postgres.Options) { o.Dir = "x" },
		"no port":                 func(o *postgres.Options) { o.Port = 0 },
		"no superuser's password": func(o *postgres.Options) { o.Password = "" },
		"a role without password": func(o *postgres.Options) { o.Roles[0].Password = "" },
		"a role without name":     func(o *postgres.Options) { o.Roles[0].Name = "" },
		"the superuser as role":   func(o *postgres.Options) { o.Roles[0].Name = postgres.Superuser },
		"a template as database":  func(o *postgres.Options) { o.Database = "template1" },
		"a zero byte":             func(o *postgres.Options) { o.Roles[0].Password = "a\x00b" },
	} {
		o := options(t, dir)
		change(&o)
		if err := in.Init(t.Context(), o); err == nil || !strings.HasPrefix(err.Error(), "postgres: ") {
			t.Errorf("%s: error %v, want one from here", why, err)
		}
	}
}
