package audit

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A conn is a connection inside one read-only transaction. Its values are text
// throughout, as the server writes them.
type conn struct{ *pgconn.PgConn }

// open connects and begins. The settings fix how values look: GMT is the one
// time zone that every PostgreSQL knows.
func (s Source) open(ctx context.Context) (conn, error) {
	config, err := pgconn.ParseConfig(s.DSN)
	if err != nil {
		return conn{}, err
	}
	for key, value := range map[string]string{"datestyle": "ISO, YMD", "timezone": "GMT", "application_name": "bedlam-audit"} {
		config.RuntimeParams[key] = value
	}
	pg, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return conn{}, fmt.Errorf("connecting: %w", err)
	}
	c := conn{pg}
	if _, err := c.rows(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		c.close()
		return conn{}, fmt.Errorf("beginning: %w", err)
	}
	return c, nil
}

// farewell bounds a polite close; the transaction has nothing to lose.
const farewell = time.Second

func (c conn) close() {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	c.Close(ctx)
}

// rows returns what a query brings; NULL is the empty string.
func (c conn) rows(ctx context.Context, sql string) ([][]string, error) {
	r := c.ExecParams(ctx, sql, nil, nil, nil, nil)
	var all [][]string
	for r.NextRow() {
		values := r.Values()
		row := make([]string, len(values))
		for n, v := range values {
			row[n] = string(v)
		}
		all = append(all, row)
	}
	_, err := r.Close()
	return all, err
}

// A view is an audit view as the catalogue describes it.
type view struct {
	schema, view string
	columns      []string
	times        []string // those of type timestamptz
}

func (v view) name() string { return v.schema + "." + v.view }

// views returns the audit views that this role may select from, by name.
func (c conn) views(ctx context.Context) ([]view, error) {
	rows, err := c.rows(ctx, `
		SELECT n.nspname, c.relname, a.attname, a.atttypid = 'timestamptz'::regtype
		FROM pg_catalog.pg_class c
		JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		WHERE c.relkind IN ('v', 'm') AND c.relname LIKE 'audit\_%'
		  AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
		ORDER BY n.nspname, c.relname, a.attnum`)
	if err != nil {
		return nil, fmt.Errorf("looking for audit views: %w", err)
	}
	var all []view
	for _, r := range rows {
		if len(all) == 0 || all[len(all)-1].schema != r[0] || all[len(all)-1].view != r[1] {
			all = append(all, view{schema: r[0], view: r[1]})
		}
		v := &all[len(all)-1]
		v.columns = append(v.columns, r[2])
		if r[3] == "t" {
			v.times = append(v.times, r[2])
		}
	}
	return all, nil
}

// query selects the view's columns, of the rows touched since then.
func (v view) query(since time.Time) string {
	var columns, touched []string
	for _, c := range v.columns {
		columns = append(columns, pgx.Identifier{c}.Sanitize())
	}
	sql := "SELECT " + strings.Join(columns, ", ") + " FROM " + pgx.Identifier{v.schema, v.view}.Sanitize()
	if since.IsZero() || len(v.times) == 0 {
		return sql
	}
	at := since.UTC().Format("'2006-01-02 15:04:05.999999+00'")
	for _, c := range v.times {
		touched = append(touched, pgx.Identifier{c}.Sanitize()+" >= "+at)
	}
	return sql + " WHERE " + strings.Join(touched, " OR ")
}
