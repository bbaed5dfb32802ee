package toxiproxy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	client "github.com/Shopify/toxiproxy/v2/client"
	"go.uber.org/goleak"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/toxiproxy"
	"github.com/bedlamlab/bedlam/deploy/relay"
	"github.com/bedlamlab/bedlam/deploy/relay/relaytest"
	"github.com/bedlamlab/bedlam/topology"
)

// A server of the standard library's that has refused a request half read waits
// half a second before it closes the connection, which its Close does not wait for.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// patience bounds what must happen at all.
const patience = 30 * time.Second

// link is the proxy that most tests harm.
const link = "front-1:back-1"

// A world is the API over a small system whose callees say everything back.
type world struct {
	*relaytest.Relay
	*client.Client
	*log
	api    *toxiproxy.API
	server *httptest.Server
	at     map[topology.Link]string // where the relay listens
	own    map[string]string        // by instance
	lost   error                    // what the lease says
	gone   bool                     // the relay has been ended by the test
}

// A log keeps what is written into the journal.
type log struct {
	mu      sync.Mutex
	entries []chaos.Entry
	full    error // what is answered instead
}

func (l *log) Write(e chaos.Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full == nil {
		l.entries = append(l.entries, e)
	}
	return l.full
}

// kinds returns what is written so far.
func (l *log) kinds() (all []chaos.EntryKind) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		all = append(all, e.Kind)
	}
	return all
}

func (w *world) Topology() topology.System {
	return topology.System{Name: "small", Services: []topology.Service{
		{Name: "front", Replicas: 1, Protocol: topology.HTTP}, {Name: "back", Replicas: 2, Protocol: topology.GRPC},
	}, Edges: []topology.Edge{{From: topology.Loader, To: "front", Protocol: topology.HTTP}, {From: "front", To: "back", Protocol: topology.GRPC}}}
}

func (w *world) Address(caller, callee string) (string, error) {
	if caller == "" {
		return w.own[callee], nil
	}
	if at := w.at[topology.Link{From: caller, To: callee}]; at != "" {
		return at, nil
	}
	return "", errors.New("no such link")
}

func (w *world) Down(context.Context) error { return nil }

// start brings a world up.
func start(t testing.TB) *world {
	t.Helper()
	w := &world{log: &log{}, at: map[topology.Link]string{}, own: map[string]string{}}
	var c relay.Config
	for _, in := range w.Topology().Instances() {
		w.own[in.Name] = echo(t)
	}
	for _, l := range w.Topology().Links() {
		c.Edges = append(c.Edges, relay.Edge{Link: l, Upstream: w.own[l.To]})
	}
	w.Relay = relaytest.Start(t, c)
	stats, err := w.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stats {
		w.at[s.Link] = s.Listen
	}
	ctx, cancel := context.WithCancel(t.Context())
	var beats sync.WaitGroup
	beats.Go(func() { // as a system's keepers do
		for tick := time.NewTicker(time.Second); ; {
			select {
			case <-tick.C:
				w.Renew(ctx) // a test may have ended the relay
			case <-ctx.Done():
				tick.Stop()
				return
			}
		}
	})
	t.Cleanup(func() { cancel(); beats.Wait() })
	w.api, err = toxiproxy.New(toxiproxy.Options{System: w, Journal: w.log, Seed: 7, Lease: func() error { return w.lost }})
	if err != nil {
		t.Fatal(err)
	}
	w.server = httptest.NewServer(w.api)
	w.Client = client.NewClient(w.server.URL)
	t.Cleanup(func() {
		w.server.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections() // which the client uses
		if err := w.api.Close(context.Background()); err != nil && w.full == nil && !w.gone {
			t.Errorf("closing: %v", err)
		}
		if w.gone {
			return
		}
		if live, err := w.Rules(context.Background()); err != nil || len(live) > 0 {
			t.Errorf("left in the relay: %v, %v", live, err)
		}
	})
	return w
}

// echo says everything back on a loopback port.
func echo(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				io.Copy(c, c)
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr().String()
}

// dial connects to an address, and closes with the test.
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

// ask says a word over c and returns after how long it came back.
func ask(c net.Conn) (time.Duration, error) {
	began := time.Now()
	if _, err := io.WriteString(c, "hello"); err != nil {
		return 0, err
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(c, b); err != nil {
		return 0, err
	}
	if string(b) != "hello" {
		return 0, fmt.Errorf("%q came back", b)
	}
	return time.Since(began), nil
}

// took is ask on a new connection to an address; it fails the test if nothing
// comes back.
func took(t testing.TB, address string) time.Duration {
	t.Helper()
	d, err := ask(dial(t, address))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// quick waits until something comes back within a time: that a busy machine is
// late is no fault of anybody's.
func quick(t testing.TB, what, address string, than time.Duration) {
	t.Helper()
	for end := time.Now().Add(patience); took(t, address) >= than; {
		if time.Now().After(end) {
			t.Fatalf("%s never answers within %s", what, than)
		}
	}
}

// proxy returns a proxy by its name.
func (w *world) proxy(t testing.TB, name string) *client.Proxy {
	t.Helper()
	p, err := w.Proxy(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// add adds a toxic to the link.
func (w *world) add(t testing.TB, kind, stream string, a client.Attributes) {
	t.Helper()
	if _, err := w.proxy(t, link).AddToxic("", kind, stream, 1, a); err != nil {
		t.Fatal(err)
	}
}

// rules returns the kinds of the rules that the relay has, sorted.
func (w *world) rules(t testing.TB) (kinds []string) {
	t.Helper()
	all, err := w.Rules(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		kinds = append(kinds, r.Kind)
	}
	slices.Sort(kinds)
	return kinds
}
