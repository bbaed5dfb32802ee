package postgres_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bedlamlab/bedlam/deploy/postgres"
)

// install finds the machine's PostgreSQL. As root its account needs folders
// outside root's home, so everything stands below one that it can enter.
func install(t *testing.T) (*postgres.Install, string) {
	t.Helper()
	cache, err := postgres.CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	in, err := postgres.Find(t.Context(), cache, func(s string) { t.Log(s) })
	if err != nil {
		t.Skipf("no PostgreSQL to test with: %v", err)
	}
	return in, folder(t)
}

// folder is a temporary folder that every account can enter.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bedlam-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func port(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func options(t *testing.T, dir string) postgres.Options {
	return postgres.Options{
		Dir: filepath.Join(dir, "server"), Port: port(t), Database: "shop", Password: "it's \\ secret",
		Roles: []postgres.Role{
			{Name: "payment", Password: "p'1", Schema: "payment"},
			{Name: "orders", Password: "o", Schema: "orders"},
			{Name: "audit", Password: "a"},
		},
	}
}

// start starts a server that ends with the test.
func start(t *testing.T, in *postgres.Install, o postgres.Options) *postgres.Server {
	t.Helper()
	began := time.Now()
	s, err := in.Start(t.Context(), o, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("started in %v", time.Since(began).Round(time.Millisecond))
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	return s
}

func open(t *testing.T, s *postgres.Server, role string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), s.DSN(role))
	if err != nil {
		t.Fatalf("connecting as %s: %v", role, err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

func show(t *testing.T, c *pgx.Conn, sql string) string {
	t.Helper()
	var got string
	if err := c.QueryRow(t.Context(), sql).Scan(&got); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return got
}
