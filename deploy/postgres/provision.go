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
	invalidPassword  = "28P01"
	startingUp       = "57P03"
	tooMany          = "53300"
	duplicateObject  = "42710"
	duplicateCatalog = "42P04"
)

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
		return fmt.Errorf("postgres: provisioning: %w", err)
	}
	c, err := connect(ctx, DSN(o, Superuser))
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	if err := makeRoles(ctx, c, o); err != nil {
		return fmt.Errorf("postgres: provisioning: %w", err)
	}
	return nil
}

// enter connects as the superuser and sees to it that its password is o's. A
// fresh server still has its template's password.
func (i *Install) enter(ctx context.Context, o Options) (*pgx.Conn, error) {
	first, err := os.ReadFile(firstPassword(o.Dir))
	if errors.Is(err, fs.ErrNotExist) {
		return connect(ctx, dsn(o, Superuser, o.Password, "postgres"))
	}
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	c, err := connect(ctx, dsn(o, Superuser, string(first), "postgres"))
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == invalidPassword {
		// An earlier Provision set the password and was ended before it had
		// removed the file.
		c, err = connect(ctx, dsn(o, Superuser, o.Password, "postgres"))
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

func makeDatabase(ctx context.Context, c *pgx.Conn, o Options) error {
	if o.database() != "postgres" {
		_, err := c.Exec(ctx, "CREATE DATABASE "+name(o.database()))
		if err := unless(err, duplicateCatalog); err != nil {
			return err
		}
		if _, err := c.Exec(ctx, "REVOKE ALL ON DATABASE postgres FROM PUBLIC"); err != nil {
			return err
		}
	}
	_, err := c.Exec(ctx, "REVOKE ALL ON DATABASE template1 FROM PUBLIC; REVOKE ALL ON DATABASE "+name(o.database())+" FROM PUBLIC")
	return err
}

func makeRoles(ctx context.Context, c *pgx.Conn, o Options) error {
	if _, err := c.Exec(ctx, "REVOKE ALL ON SCHEMA public FROM PUBLIC"); err != nil {
		return err
	}
	for _, r := range roles(o) {
		_, err := c.Exec(ctx, "CREATE ROLE "+name(r.Name))
		if err := unless(err, duplicateObject); err != nil {
			return err
		}
		make := []string{
			"ALTER ROLE " + name(r.Name) + " LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD " + literal(r.Password),
			"GRANT CONNECT ON DATABASE " + name(o.database()) + " TO " + name(r.Name),
		}
		if r.Schema != "" {
			make = append(make,
				"CREATE SCHEMA IF NOT EXISTS "+name(r.Schema)+" AUTHORIZATION "+name(r.Name),
				"ALTER ROLE "+name(r.Name)+" IN DATABASE "+name(o.database())+" SET search_path = "+name(r.Schema))
		}
		if r.Name == deploy.AuditRole {
			// A second lock on the door: even a right granted by mistake writes nothing.
			make = append(make, "ALTER ROLE "+name(r.Name)+" SET default_transaction_read_only = on")
		}
		if _, err := c.Exec(ctx, strings.Join(make, ";")); err != nil {
			return fmt.Errorf("role %s: %w", r.Name, err)
		}
	}
	return nil
}

// unless returns err, or nil if it is the server's answer with that code.
func unless(err error, code string) error {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == code {
		return nil
	}
	return err
}

func name(s string) string { return pgx.Identifier{s}.Sanitize() }

// literal quotes s as standard_conforming_strings, which is on by default,
// wants it.
func literal(s string) string {
	return "'" + strings.ReplaceAll(strings.ReplaceAll(s, "\x00", ""), "'", "''") + "'"
}
