package servetest

import (
	"io/fs"
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// Schema returns the URL of a database that is the test's own, with a schema
// of the given name to which the folder migrations has been applied, and which
// is the search path of whoever connects. It is for tests that use a service's
// store without the service; the rest is as with [Postgres].
func Schema(t testing.TB, name string, migrations fs.FS) (dsn string) {
	t.Helper()
	u, err := url.Parse(Postgres(t))
	if err != nil {
		t.Fatalf("reading the database's URL: %v", err)
	}
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	dsn = u.String()

	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatalf("reading the database's URL: %v", err)
	}
	db := stdlib.OpenDB(*config)
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "CREATE SCHEMA "+pgx.Identifier{name}.Sanitize()); err != nil {
		t.Fatalf("making the schema %s: %v", name, err)
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		t.Fatalf("reading the migrations of %s: %v", name, err)
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatalf("reading the migrations of %s: %v", name, err)
	}
	if _, err := p.Up(t.Context()); err != nil {
		t.Fatalf("migrating the schema %s: %v", name, err)
	}
	return dsn
}
