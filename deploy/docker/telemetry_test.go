package docker

import (
	"context"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// server answers every connection with what it has read, when that has ended,
// until it is stopped.
func server(t *testing.T) (address string, stop func()) {
	t.Helper()
	ln := listen(t)
	accept(ln, func(conn net.Conn) {
		b, _ := io.ReadAll(conn)
		conn.Write(append([]byte("got "), b...))
	})
	return "http://" + ln.Addr().String() + "/v1", func() { ln.Close() }
}

// loopback stands for a run's network where no daemon is needed.
func loopback(subnet string) *network {
	return &network{Gateway: netip.MustParseAddr("127.0.0.1"), subnet: netip.MustParsePrefix(subnet)}
}

func dial(t *testing.T, address string) *net.TCPConn {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(labTime))
	return conn.(*net.TCPConn)
}

func TestForward(t *testing.T) {
	before := goleak.IgnoreCurrent()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	to, stop := server(t)
	at, err := loopback("127.0.0.0/8").forward(ctx, to)
	if err != nil {
		t.Fatal(err)
	}
	if u, err := url.Parse(at); err != nil || u.Hostname() != "127.0.0.1" || u.Path != "/v1" || at == to {
		t.Fatalf("it listens at %s", at)
	}
	conn := dial(t, at)
	conn.Write([]byte("hello"))
	conn.CloseWrite() // one way ends, and the other goes on
	if b, err := io.ReadAll(conn); string(b) != "got hello" || err != nil {
		t.Errorf("it answers %q, %v", b, err)
	}
	open := dial(t, at)
	open.Write([]byte("x"))
	cancel()
	if b, err := io.ReadAll(open); len(b) > 0 && err == nil {
		t.Errorf("after its end it answers %q", b)
	}
	eventuallyRefused(t, at)
	stop()
	goleak.VerifyNone(t, before)
}

// eventuallyRefused waits until nobody listens.
func eventuallyRefused(t *testing.T, at string) {
	t.Helper()
	u, _ := url.Parse(at)
	for until := time.Now().Add(labTime); ; {
		conn, err := net.Dial("tcp", u.Host)
		if err != nil {
			return
		}
		conn.Close()
		if time.Now().After(until) {
			t.Fatalf("%s still listens", at)
		}
		time.Sleep(time.Millisecond)
	}
}

// Only the network's containers are served: the gateway is an address that
// others may reach.
func TestForwardRefusesStrangers(t *testing.T) {
	to, _ := server(t)
	at, err := loopback("127.77.0.0/16").forward(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	conn := dial(t, at)
	conn.Write([]byte("hello"))
	conn.CloseWrite()
	if b, _ := io.ReadAll(conn); len(b) > 0 {
		t.Errorf("a stranger is told %q", b)
	}
}

func TestForwardErrors(t *testing.T) {
	for _, to := range []string{"", "http://", "http://127.0.0.1", "://", "http://:4318"} {
		if at, err := loopback("127.0.0.0/8").forward(t.Context(), to); err == nil {
			t.Errorf("to %q it forwards at %s", to, at)
		}
	}
	far := &network{Gateway: netip.MustParseAddr("203.0.113.7"), subnet: netip.MustParsePrefix("203.0.113.0/24")}
	if _, err := far.forward(t.Context(), "http://127.0.0.1:4318"); err == nil || !strings.Contains(err.Error(), "203.0.113.7") {
		t.Errorf("at another machine's address: %v", err)
	}
	// A collector that does not listen is the callers' to see, one by one.
	at, err := loopback("127.0.0.0/8").forward(t.Context(), "http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := io.ReadAll(dial(t, at)); len(b) > 0 {
		t.Errorf("nobody answers %q", b)
	}
}

func TestForwardFromContainer(t *testing.T) {
	l := newLab(t)
	n, ip := l.net()
	ln := listen(t)
	accept(ln, func(conn net.Conn) { io.Copy(conn, conn) })
	at, err := n.forward(l.ctx, "http://"+ln.Addr().String())
	l.must(err)
	u, err := url.Parse(at)
	l.must(err)
	if u.Hostname() != n.Gateway.String() {
		t.Errorf("it listens at %s, want the gateway %s", at, n.Gateway)
	}
	id := l.play(spec{Network: n.ID, IP: ip}, "call", u.Host, "a span")
	if got := l.said(id); strings.TrimSpace(got) != "a span" {
		t.Errorf("the container hears %q", got)
	}
}
