// Package servetest helps to test services from the outside, against what
// they really stand on: [Postgres] gives a test a database of its own on a real
// PostgreSQL, [Start] runs a service as Bedlam would, and [Dial] reaches it.
package servetest

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// A cluster is one PostgreSQL server, shared by the tests of one binary.
type cluster struct {
	port int
	skip string // why there is none
	err  error
}

var (
	once      sync.Once
	shared    cluster
	databases atomic.Int32
)

// Postgres returns the URL of an empty database that is the test's own. Its
// role is a superuser; the role audit exists. The server is started once for
// each test binary and ends with it, however it ends. Without PostgreSQL on
// this machine the test is skipped and says so.
func Postgres(t testing.TB) (dsn string) {
	t.Helper()
	once.Do(func() { shared = startCluster() })
	switch {
	case shared.skip != "":
		t.Skipf("needs PostgreSQL: %s", shared.skip)
	case shared.err != nil:
		t.Fatalf("starting PostgreSQL: %v", shared.err)
	}
	name := fmt.Sprintf("test%d", databases.Add(1))
	admin(t, "CREATE DATABASE "+name)
	t.Cleanup(func() { admin(t, "DROP DATABASE "+name+" WITH (FORCE)") })
	return shared.dsn(name)
}

func (c cluster) dsn(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port)),
		Path: database, RawQuery: "sslmode=disable"}
	return u.String()
}

func admin(t testing.TB, statement string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, shared.dsn("postgres"))
	if err != nil {
		t.Fatalf("connecting to PostgreSQL: %v", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Errorf("%s: %v", statement, err)
	}
}

// startLimit is ten times what initdb and a start take on a slow machine.
const startLimit = time.Minute

func startCluster() cluster {
	bin, err := binaries()
	if err != nil {
		return cluster{skip: err.Error()}
	}
	who, err := account()
	if err != nil {
		return cluster{skip: err.Error()}
	}
	dir, err := os.MkdirTemp("", "servetest-pg-")
	if err != nil {
		return cluster{err: err}
	}
	if who != nil {
		if err := os.Chown(dir, int(who.Uid), int(who.Gid)); err != nil {
			return cluster{err: err}
		}
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", filepath.Join(dir, "data"), "-U", "postgres", "-A", "trust",
		"-E", "UTF8", "--locale=C", "--no-sync")
	initdb.Dir = dir
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	if out, err := initdb.CombinedOutput(); err != nil {
		os.RemoveAll(dir)
		return cluster{err: fmt.Errorf("initdb: %w\n%s", err, out)}
	}
	c := cluster{}
	// Another process may take the port between our choice and PostgreSQL's
	// bind; a few tries make that as good as impossible.
	for range 5 {
		if c.port, err = freePort(); err != nil {
			continue
		}
		if err = c.run(bin, dir, who); err == nil {
			return c
		}
	}
	os.RemoveAll(dir)
	return cluster{err: err}
}

// guard runs the server until its standard input ends, which it does when the
// test process is gone, whatever killed it; then it ends the server at once
// and removes its folder. Its first argument is that folder.
const guard = `
dir=$1; shift
"$@" & server=$!
while read -r line; do [ "$line" = keep ] && keep=1; done
kill -QUIT $server 2>/dev/null
wait $server
[ -n "$keep" ] || rm -rf "$dir"
`

// run starts the server and waits until it answers.
func (c *cluster) run(bin, dir string, who *syscall.Credential) error {
	out, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	life, held, err := os.Pipe()
	if err != nil {
		return err
	}
	defer life.Close()
	cmd := exec.Command("/bin/sh", "-c", guard, "guard", dir, filepath.Join(bin, "postgres"), "-D", filepath.Join(dir, "data"),
		"-p", strconv.Itoa(c.port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
		"-c", "shared_buffers=16MB", "-c", "max_connections=100")
	cmd.Dir = dir
	cmd.Stdin, cmd.Stdout, cmd.Stderr = life, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who, Setsid: true} // Ctrl-C is for the test, not for its guard
	if err := cmd.Start(); err != nil {
		held.Close()
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	lifeline = held // keeps the pipe open as long as this process lives

	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, c.dsn("postgres"))
		if err == nil {
			defer conn.Close(ctx)
			_, err = conn.Exec(ctx, "CREATE ROLE audit LOGIN")
			return err
		}
		if listening, _ := os.ReadFile(filepath.Join(dir, "log")); ctx.Err() != nil || refused(listening) {
			fmt.Fprintln(held, "keep") // the folder is used for the next try
			held.Close()
			<-ended
			return fmt.Errorf("%w\n%s", err, listening)
		}
		time.Sleep(20 * time.Millisecond) // PostgreSQL offers no event for a caller to await
	}
}

// lifeline is the writing end of the guard's standard input. It is never
// used: that it is kept is what holds the pipe open.
//
//lint:ignore U1000 see above
var lifeline *os.File
