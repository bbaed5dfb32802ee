package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bedlamlab/bedlam/deploy"
)

// SQLSTATE codes that decide what is done next.
const (
	invalidPassword = "28P01"
	startingUp      = "57P03"
	tooMany         = "53300"
)

// lobby is the one database that every server has.
const lobby = "template1"

// roles returns o's roles and the audit's.
func roles(o Options) []Role {
	if slices.ContainsFunc(o.Roles, func(r Role) bool { return r.Name == deploy.AuditRole }) {
		return o.Roles
	}
	return append(slices.Clone(o.Roles), Role{Name: deploy.AuditRole, Password: o.Password})
}

// Ready returns when the server behind dsn answers a query, or ctx is done. A
// server that is there but refuses the login is an error at once.
func Ready(ctx context.Context, dsn string) error {
	c, err := connect(ctx, dsn)
	if err != nil {
		return err
	}
	return c.Close(ctx)
}

// connect dials until the server lets us in. It asks often, because a start
// takes a few hundred ms and every ms of waiting is a ms of start-up.
func connect(ctx context.Context, dsn string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	for {
		c, err := pgx.ConnectConfig(ctx, config)
		if err == nil {
			if err = c.Ping(ctx); err == nil {
				return c, nil
			}
			c.Close(ctx)
		}
		if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code != startingUp && pg.Code != tooMany {
			return nil, fmt.Errorf("postgres: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("postgres: not ready: %w", errors.Join(ctx.Err(), err))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Provision waits until the server answers and makes it what o says: the
// superuser's password, the database, each role with its schema, and the
// audit's role. Nobody has rights that are not given here: not in the schema
// public, not to connect to another database. It is idempotent.
func (i *Install) Provision(ctx context.Context, o Options) error {
	if err := o.validate(); err != nil {
		return err
	}
	admin, err := i.enter(ctx, o)
	if err != nil {
		return err
	}
	defer admin.Close(ctx)
	if err := makeDatabase(ctx, admin, o); err != nil {
		return fmt.Errorf("postgres: making database %s: %w", o.database(), err)
	}
	c, err := connect(ctx, DSN(o, Superuser))
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	if err := makeRoles(ctx, c, o); err != nil {
		return fmt.Errorf("postgres: making roles: %w", err)
	}
	return nil
}

// enter connects as the superuser and sees to it that its password is o's. A
// fresh server still has its template's password.
func (i *Install) enter(ctx context.Context, o Options) (*pgx.Conn, error) {
	first, err := os.ReadFile(firstPassword(o.Dir))
	if errors.Is(err, fs.ErrNotExist) {
		return connect(ctx, dsn(o, Superuser, o.Password, lobby))
	}
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	c, err := connect(ctx, dsn(o, Superuser, string(first), lobby))
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == invalidPassword {
		// An earlier Provision set the password and was ended before it had
		// removed the file.
		c, err = connect(ctx, dsn(o, Superuser, o.Password, lobby))
	}
	if err != nil {
		return nil, err
	}
	if _, err = c.Exec(ctx, "ALTER ROLE "+name(Superuser)+" PASSWORD "+literal(o.Password)); err == nil {
		err = os.Remove(firstPassword(o.Dir))
	}
	if err != nil {
		c.Close(ctx)
		return nil, fmt.Errorf("postgres: setting the superuser's password: %w", err)
	}
	return c, nil
}

// makeDatabase gives the empty database that initdb makes the name that is
// asked for, which costs nothing; copying it would.
func makeDatabase(ctx context.Context, c *pgx.Conn, o Options) error {
	var there, spare bool
	err := c.QueryRow(ctx, "SELECT coalesce(bool_or(datname = $1), false), coalesce(bool_or(datname = 'postgres'), false) FROM pg_database", o.database()).
		Scan(&there, &spare)
	if err != nil {
		return err
	}
	switch {
	case there:
	case spare:
		_, err = c.Exec(ctx, "ALTER DATABASE postgres RENAME TO "+name(o.database()))
	default:
		_, err = c.Exec(ctx, "CREATE DATABASE "+name(o.database()))
	}
	return err
}

// makeRoles does everything in one transaction: one wait for the disk instead
// of twenty, and no half of it after a crash.
func makeRoles(ctx context.Context, c *pgx.Conn, o Options) error {
	sql := []string{
		"BEGIN",
		"REVOKE ALL ON DATABASE " + lobby + ", " + name(o.database()) + " FROM PUBLIC",
		"REVOKE ALL ON SCHEMA public FROM PUBLIC",
	}
	for _, r := range roles(o) {
		sql = append(sql,
			"DO $do$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = "+literal(r.Name)+") THEN CREATE ROLE "+name(r.Name)+"; END IF; END $do$",
			"ALTER ROLE "+name(r.Name)+" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD "+literal(r.Password),
			"GRANT CONNECT ON DATABASE "+name(o.database())+" TO "+name(r.Name))
		if r.Schema != "" {
			sql = append(sql,
				"CREATE SCHEMA IF NOT EXISTS "+name(r.Schema)+" AUTHORIZATION "+name(r.Name),
				"ALTER ROLE "+name(r.Name)+" IN DATABASE "+name(o.database())+" SET search_path = "+name(r.Schema))
		}
		if r.Name == deploy.AuditRole {
			// A second lock on the door: even a right granted by mistake writes nothing.
			sql = append(sql, "ALTER ROLE "+name(r.Name)+" SET default_transaction_read_only = on")
		}
	}
	_, err := c.Exec(ctx, strings.Join(append(sql, "COMMIT"), ";\n"))
	return err
}

func name(s string) string { return pgx.Identifier{s}.Sanitize() }

// literal quotes s as standard_conforming_strings, which is on by default,
// wants it.
func literal(s string) string {
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}
