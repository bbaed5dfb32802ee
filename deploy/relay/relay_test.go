package relay_test

import (
	"encoding/json"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/relay"
	"github.com/bedlamlab/bedlam/deploy/relay/relaytest"
	"github.com/bedlamlab/bedlam/topology"
)

// A server of the standard library's that has refused a request half read waits
// half a second before it closes the connection, which its Close does not wait for.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// patience bounds what must happen at all; no test passes or fails by how long
// it took within it.
const patience = 30 * time.Second

var ab = topology.Link{From: "a-1", To: "b-1"}

// A rig is a running relay.
type rig struct {
	*relaytest.Relay
	t testing.TB
}

// start runs a relay with these edges; an empty Listen is any free port.
func start(t testing.TB, c relay.Config) *rig {
	t.Helper()
	return &rig{relaytest.Start(t, c), t}
}

// between runs a relay with one edge, ab, to that upstream.
func between(t testing.TB, upstream string) *rig {
	return start(t, relay.Config{Edges: []relay.Edge{{Link: ab, Upstream: upstream}}})
}

func (r *rig) link(l topology.Link) relay.LinkStats {
	r.t.Helper()
	all, err := r.Stats(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, s := range all {
		if s.Link == l {
			return s
		}
	}
	r.t.Fatalf("no statistics of %v", l)
	return relay.LinkStats{}
}

// evidence returns what a rule has done to a link.
func (r *rig) evidence(l topology.Link, id string) relay.RuleStats {
	r.t.Helper()
	for _, s := range r.link(l).Rules {
		if s.ID == id {
			return s
		}
	}
	r.t.Fatalf("no evidence of rule %s", id)
	return relay.RuleStats{}
}

func (r *rig) dial() *net.TCPConn { r.t.Helper(); return r.dialLink(ab) }

func (r *rig) dialLink(l topology.Link) *net.TCPConn {
	r.t.Helper()
	return dial(r.t, r.link(l).Listen)
}

func dial(t testing.TB, address string) *net.TCPConn {
	t.Helper()
	c, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

func (r *rig) shape(rule deploy.Rule) {
	r.t.Helper()
	if err := r.Shape(r.t.Context(), rule); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) unshape(id string) {
	r.t.Helper()
	if err := r.Unshape(r.t.Context(), id); err != nil {
		r.t.Fatal(err)
	}
}

// rule is a rule on ab for longer than any test takes.
func rule(id, kind string, d deploy.Direction, args string) deploy.Rule {
	return deploy.Rule{
		ID: id, Kind: kind, Direction: d, Links: []topology.Link{ab},
		Args: json.RawMessage(args), TTL: topology.Duration(time.Hour), Seed: 7,
	}
}

// serve accepts on a loopback port and runs handle for each connection.
func serve(t testing.TB, handle func(*net.TCPConn)) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan struct{})
	go func() {
		defer close(accepted)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			go handle(c.(*net.TCPConn))
		}
	}()
	t.Cleanup(func() { ln.Close(); <-accepted })
	return ln.Addr().String()
}

// echo sends everything back, and the end too.
func echo(c *net.TCPConn) {
	defer c.Close()
	io.Copy(c, c)
}

// ask sends text and wants it back.
func ask(t testing.TB, c *net.TCPConn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	want(t, c, text)
}

func want(t testing.TB, c *net.TCPConn, text string) {
	t.Helper()
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatalf("reading %q: %v", text, err)
	}
	if string(got) != text {
		t.Fatalf("read %q, want %q", got, text)
	}
}

// silent wants nothing to come for a while: long enough for loopback, and
// never a reason to fail on a slow machine, which is only more silent.
func silent(t testing.TB, c *net.TCPConn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	defer c.SetReadDeadline(time.Now().Add(patience))
	n, err := c.Read(make([]byte, 1))
	if ne, ok := err.(net.Error); !ok || !ne.Timeout() {
		t.Fatalf("read %d bytes, error %v; want silence", n, err)
	}
}

// eventually waits for what the relay does on its own. It polls, because the
// relay tells nobody: it is asked, as a controller asks it.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}
