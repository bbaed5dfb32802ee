package fault_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/postgres"
)

// server starts a PostgreSQL for db-1, with the schema of back in it, until the
// test ends; the error says that this machine has none.
func server(t *testing.T) (postgres.Options, error) {
	t.Helper()
	cache, err := postgres.CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	pg, err := postgres.Find(t.Context(), cache, func(s string) { t.Log(s) })
	if err != nil {
		return postgres.Options{}, err
	}
	// Its account cannot enter root's folders.
	dir, err := os.MkdirTemp("", "bedlam-fault-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	free.Close()
	o := postgres.Options{Dir: filepath.Join(dir, "server"), Port: port, Password: "secret", Roles: []postgres.Role{
		{Name: deploy.AuditRole, Password: "audit"}, {Name: "back", Password: "back", Schema: "back"}}}
	s, err := pg.Start(t.Context(), o, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := pg.Provision(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	// To log in costs much under the race detector: a dozen must do.
	super(t, o, "ALTER DATABASE postgres CONNECTION LIMIT 12")
	c, err := pgx.Connect(t.Context(), postgres.DSN(o, "back"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	for _, sql := range []string{"CREATE TABLE things (n int)", "INSERT INTO things VALUES (1)"} {
		if _, err := c.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	return o, nil
}

// client is a session of a role, named as a service's is, until the test ends.
func client(t *testing.T, o postgres.Options, role string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), postgres.DSN(o, role)+"&application_name=back-1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

// super does something as the superuser, whom no limit stops.
func super(t *testing.T, o postgres.Options, sql string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), postgres.DSN(o, postgres.Superuser))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if _, err := c.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}
