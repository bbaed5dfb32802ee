package postgres_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bedlamlab/bedlam/deploy/postgres"
)

// processes returns who lives in dir.
func processes(t *testing.T, dir string) []int {
	t.Helper()
	pids, err := postgres.Processes(dir)
	if err != nil {
		t.Fatal(err)
	}
	return pids
}

// gone requires that nothing of the server is left, in the kernel or on disk.
func gone(t *testing.T, dir string) {
	t.Helper()
	if pids := processes(t, dir); len(pids) > 0 {
		t.Errorf("processes %v are left", pids)
	}
	if s, err := postgres.Residue(dir); s != nil || err != nil {
		t.Errorf("residue %v, error %v", s, err)
	}
	if _, err := os.Stat(filepath.Join(postgres.Data(dir), "postmaster.pid")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the lock file is left: %v", err)
	}
}

func TestDurabilityIsNeverTraded(t *testing.T) {
	in, dir := install(t)
	c := open(t, start(t, in, options(t, dir)), postgres.Superuser) // others are not shown every setting
	for _, name := range []string{"fsync", "synchronous_commit", "full_page_writes", "data_checksums", "autovacuum"} {
		if got, want := show(t, c, "SHOW "+name), "on"; got != want {
			t.Errorf("%s = %s, want %s", name, got, want)
		}
	}
	for name, want := range map[string]string{
		"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "jit": "off",
		"shared_memory_type": "mmap", "dynamic_shared_memory_type": "mmap", "lc_messages": "C",
	} {
		if got := show(t, c, "SELECT setting FROM pg_settings WHERE name = '"+name+"'"); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

func TestKilledServerKeepsWhatItPromisedAndLeavesNothing(t *testing.T) {
	in, dir := install(t)
	o := options(t, dir)
	s := start(t, in, o)
	c := open(t, s, "orders")
	for _, sql := range []string{"CREATE TABLE promised (n bigint)", "INSERT INTO promised SELECT generate_series(1, 1000)"} {
		if _, err := c.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	segment, err := postgres.Residue(o.Dir)
	if err != nil || segment == nil {
		t.Fatalf("a running server has the segment %v, error %v; want one", segment, err)
	}
	if err := postgres.Clean(o.Dir); err == nil {
		t.Error("Clean touched a running server")
	}
	if err := postgres.Kill(o.Dir); err != nil {
		t.Fatal(err)
	}
	<-s.Exited()
	if left, err := postgres.Residue(o.Dir); err != nil || left == nil || *left != *segment {
		t.Errorf("after SIGKILL the segment is %v, error %v; want %v", left, err, segment)
	}

	again := start(t, in, o)
	c = open(t, again, "orders")
	if got, want := show(t, c, "SELECT count(*)::text FROM promised"), "1000"; got != want {
		t.Errorf("%s rows are left of %s", got, want)
	}
	if err := postgres.Kill(o.Dir); err != nil {
		t.Fatal(err)
	}
	for range 2 { // idempotent
		if err := postgres.Clean(o.Dir); err != nil {
			t.Fatal(err)
		}
		gone(t, o.Dir)
	}
}

// TestSegmentThatNobodyWroteDown loses the line of the lock file, as a SIGKILL
// in the middle of a start does.
func TestSegmentThatNobodyWroteDown(t *testing.T) {
	in, dir := install(t)
	o := options(t, dir)
	start(t, in, o)
	want, err := postgres.Residue(o.Dir)
	if err != nil || want == nil {
		t.Fatalf("segment %v, error %v", want, err)
	}
	if err := postgres.Kill(o.Dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(postgres.Data(o.Dir), "postmaster.pid")); err != nil {
		t.Fatal(err)
	}
	got, err := postgres.Residue(o.Dir)
	if err != nil || got == nil || *got != *want {
		t.Errorf("segment %v, error %v; want %v", got, err, want)
	}
	if err := postgres.Clean(o.Dir); err != nil {
		t.Fatal(err)
	}
	gone(t, o.Dir)
}

// TestOrphans kills the postmaster alone while a session is frozen: the orphan
// holds on to the shared memory, and a start has to wait for it.
func TestOrphans(t *testing.T) {
	in, dir := install(t)
	o := options(t, dir)
	s := start(t, in, o)
	c := open(t, s, "orders")
	orphan, err := strconv.Atoi(show(t, c, "SELECT pg_backend_pid()::text"))
	if err != nil {
		t.Fatal(err)
	}
	pids := processes(t, o.Dir)
	if len(pids) < 3 || !slices.Contains(pids, orphan) {
		t.Fatalf("processes %v: want the postmaster, session %d and more", pids, orphan)
	}
	for _, kill := range []struct {
		pid int
		sig syscall.Signal
	}{{orphan, syscall.SIGSTOP}, {pids[0], syscall.SIGKILL}} {
		if err := syscall.Kill(kill.pid, kill.sig); err != nil {
			t.Fatal(err)
		}
	}
	<-s.Exited()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := in.Settle(ctx, o); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with an orphan alive Settle says %v, want the deadline's error", err)
	}
	if err := postgres.Clean(o.Dir); err == nil {
		t.Error("with an orphan alive Clean says nothing")
	}

	cmd := in.Command(o)
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	limit := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() }) // if it did start
	if err := cmd.Wait(); err == nil || !strings.Contains(log.String(), "still in use") {
		t.Errorf("a second postmaster beside the orphan: %v\n%s", err, log.String())
	}
	limit.Stop()

	if err := postgres.Kill(o.Dir); err != nil {
		t.Fatal(err)
	}
	if err := in.Settle(t.Context(), o); err != nil {
		t.Error(err)
	}
	gone(t, o.Dir)
	start(t, in, o)
}

func TestStopDoesNotWaitForClients(t *testing.T) {
	in, dir := install(t)
	o := options(t, dir)
	s := start(t, in, o)
	c := open(t, s, "orders")
	if _, err := c.Exec(t.Context(), "BEGIN; CREATE TABLE never (n int)"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	gone(t, o.Dir)
	if err := c.Ping(t.Context()); err == nil {
		t.Error("the session is still there")
	}
}

func TestStopWithoutTime(t *testing.T) {
	in, dir := install(t)
	o := options(t, dir)
	s := start(t, in, o)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	gone(t, o.Dir)
}

func TestStartSaysWhyItFailed(t *testing.T) {
	in, dir := install(t)
	o := options(t, dir)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	// Whoever has the port accepts and says nothing: only the server's own end
	// can tell.
	o.Port = l.Addr().(*net.TCPAddr).Port
	if _, err := in.Start(t.Context(), o, nil); err == nil || !strings.Contains(err.Error(), "could not create any TCP/IP sockets") {
		t.Errorf("error %v, want the server's own words", err)
	}
	gone(t, o.Dir)
}

func TestStartGivesUp(t *testing.T) {
	in, dir := install(t)
	o := options(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := in.Start(ctx, o, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	gone(t, o.Dir)
}

func TestDSN(t *testing.T) {
	o := postgres.Options{Port: 5433, Database: "shop", Password: "p", Roles: []postgres.Role{{Name: "a b", Password: "x:/@?"}}}
	for role, want := range map[string]string{"a b": "x:/@?", "audit": "p", postgres.Superuser: "p", "stranger": ""} {
		c, err := pgx.ParseConfig(postgres.DSN(o, role))
		if err != nil {
			t.Fatal(err)
		}
		if c.User != role || c.Password != want || c.Host != "127.0.0.1" || c.Port != 5433 || c.Database != "shop" || c.TLSConfig != nil {
			t.Errorf("%s: %+v", role, c.Config)
		}
	}
}
