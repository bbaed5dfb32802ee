// Package postgres finds, starts and stops a real PostgreSQL server on this
// machine, without installing anything.
//
//	cache, _ := postgres.CacheDir()
//	pg, _ := postgres.Find(ctx, cache, nil)       // system binaries, else packages, else a download
//	server, _ := pg.Start(ctx, postgres.Options{Dir: dir, Port: port, Database: "shop", Roles: roles})
//	defer server.Stop(ctx)
//	postgres.DSN(server.Options(), "payment")
//
// [Install.Start] is for those who want a server and nothing more. A supervisor
// takes the same steps one by one:
//
//	Init       once: a data folder, copied from a cached template
//	Settle     before every start: waits until the last life's processes are gone
//	Command    the postmaster, not yet started
//	Ready      until it answers
//	Provision  roles and schemas; idempotent
//	Kill       all of its processes, at once; or [FastShutdown] to ask it to end
//	Clean      at the very end: what a killed server leaves in the kernel
//
// Two habits of PostgreSQL matter to whoever breaks it. Each of its processes
// leads a session of its own, so a signal to the postmaster's process group
// reaches the postmaster only: take [Processes]. And SIGTERM makes it wait for
// every client to leave by itself, which a pool never does: ask with
// [FastShutdown].
//
// PostgreSQL refuses to run as root. Started by root, everything here runs
// under an existing account without rights (postgres, else nobody), which must
// be able to reach [Options.Dir]; see [Install.Reaches].
package postgres

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Superuser is the name of the role that owns a server. It provisions and
// repairs; no service uses it.
const Superuser = "bedlam"

// FastShutdown is the signal that asks a postmaster to end soon and cleanly:
// it ends its clients' sessions, writes a checkpoint and exits.
const FastShutdown = syscall.SIGINT

// A Role is one login of a server.
type Role struct {
	Name     string
	Password string
	Schema   string // a schema that it owns and that is its search_path; empty: none of its own
}

// Options describe one server. Host and Port are also what [DSN] writes, so a
// copy with another address describes the same server as seen through a relay.
type Options struct {
	// Dir is the server's own folder; it holds the data folder and belongs to
	// the account that the server runs under. Its parent must exist.
	Dir      string
	Host     string // 127.0.0.1 if empty
	Port     int    // 1 to 65535
	Database string // created by Provision; "postgres" if empty
	Password string // of the [Superuser]
	// Roles are created by Provision, and with them always the audit's role
	// ([deploy.AuditRole]), which may connect and do nothing else until a
	// service grants it something. It has the password of the Roles entry
	// with its name, else the superuser's.
	Roles []Role
}

// Data returns the data folder below dir.
func Data(dir string) string { return filepath.Join(dir, "data") }

func (o Options) host() string {
	if o.Host == "" {
		return "127.0.0.1"
	}
	return o.Host
}

func (o Options) database() string {
	if o.Database == "" {
		return "postgres"
	}
	return o.Database
}

func (o Options) validate() error {
	switch {
	case o.Dir == "" || !filepath.IsAbs(o.Dir):
		return fmt.Errorf("postgres: folder %q is not an absolute path", o.Dir)
	case o.Port < 1 || o.Port > 65535:
		return fmt.Errorf("postgres: port %d is not between 1 and 65535", o.Port)
	case o.Password == "":
		return fmt.Errorf("postgres: the superuser has no password")
	case strings.HasPrefix(o.Database, "template"):
		return fmt.Errorf("postgres: a database cannot be called %q", o.Database)
	case strings.ContainsRune(o.Database, 0):
		return fmt.Errorf("postgres: a database's name holds a zero byte")
	}
	for _, r := range o.Roles {
		if r.Name == "" || r.Name == Superuser {
			return fmt.Errorf("postgres: a role cannot be called %q", r.Name)
		}
		if r.Password == "" {
			return fmt.Errorf("postgres: role %s has no password", r.Name)
		}
		if strings.ContainsRune(r.Name+r.Password+r.Schema, 0) || strings.Contains(r.Name, "$do$") {
			return fmt.Errorf("postgres: role %q cannot be written in SQL", r.Name)
		}
	}
	return nil
}

// DSN returns the URL at which role reaches the server that o describes. A
// role that o does not know gets a URL without a password.
func DSN(o Options, role string) string {
	return dsn(o, role, password(o, role), o.database())
}

func dsn(o Options, role, password, database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(role, password),
		Host:     net.JoinHostPort(o.host(), strconv.Itoa(o.Port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable", // the wire stays readable for a relay, and loopback needs no TLS
	}
	if password == "" {
		u.User = url.User(role)
	}
	return u.String()
}

func password(o Options, role string) string {
	if role == Superuser {
		return o.Password
	}
	for _, r := range roles(o) {
		if r.Name == role {
			return r.Password
		}
	}
	return ""
}
