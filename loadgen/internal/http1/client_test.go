package http1_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/loadgen/internal/http1"
)

var get = []byte("GET / HTTP/1.1\r\nHost: shop\r\n\r\n")

// far is a deadline that no test waits for.
func far() time.Time { return time.Now().Add(time.Minute) }

// serve runs script on every connection in turn and returns the address. What
// script returns is whether to take another connection.
func serve(t *testing.T, script func(n int, c net.Conn, in *bufio.Reader)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				script(n, c, bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr().String()
}

// refusing returns an address at which nobody listens.
func refusing(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func client(t *testing.T, o http1.Options, addresses ...string) *http1.Client {
	t.Helper()
	var peers []http1.Peer
	for i, a := range addresses {
		peers = append(peers, http1.Peer{Instance: fmt.Sprintf("gateway-%d", i+1), Address: a})
	}
	c := http1.New(peers, o)
	t.Cleanup(c.Close)
	return c
}

const hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

// answer reads requests and answers each until the connection ends.
func answer(n int, c net.Conn, in *bufio.Reader) {
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		io.Copy(io.Discard, r.Body)
		if _, err := io.WriteString(c, hello); err != nil {
			return
		}
	}
}

func TestConnectionsAreKept(t *testing.T) {
	var conns atomic.Int32
	addr := serve(t, func(n int, c net.Conn, in *bufio.Reader) { conns.Add(1); answer(n, c, in) })
	c := client(t, http1.Options{}, addr)
	var a http1.Answer
	for range 10 {
		if err := c.Do(far(), 0, get, &a); err != nil || string(a.Body) != "hello" {
			t.Fatalf("%v, %q", err, a.Body)
		}
	}
	if conns.Load() != 1 {
		t.Errorf("%d connections for 10 requests one after the other", conns.Load())
	}
}

func TestRefusedDialAsksTheOther(t *testing.T) {
	addr := serve(t, answer)
	c := client(t, http1.Options{}, refusing(t), addr)
	var a http1.Answer
	if err := c.Do(far(), 0, get, &a); err != nil {
		t.Fatal(err)
	}
	if a.Peer != 1 || len(a.Misses) != 1 || a.Misses[0].Peer != 0 || a.Misses[0].Reason != "refused" {
		t.Errorf("peer %d, misses %+v", a.Peer, a.Misses)
	}
	if err := c.Do(far(), 1, get, &a); err != nil || len(a.Misses) != 0 {
		t.Errorf("asking the good one first: %v, misses %+v", err, a.Misses)
	}
}

func TestAllRefuse(t *testing.T) {
	c := client(t, http1.Options{}, refusing(t), refusing(t))
	var a http1.Answer
	var e *http1.Error
	if err := c.Do(far(), 0, get, &a); !errors.As(err, &e) || e.Sent || e.Reason != "refused" {
		t.Fatalf("got %v", err)
	}
	if len(a.Misses) != 2 {
		t.Errorf("misses %+v, want one for each", a.Misses)
	}
}

// A request that was sent is never sent again, however it ends.
func TestSentOnce(t *testing.T) {
	var seen atomic.Int32
	take := func(in *bufio.Reader) {
		if r, err := http.ReadRequest(in); err == nil {
			io.Copy(io.Discard, r.Body)
			seen.Add(1)
		}
	}
	for _, x := range []struct {
		reason string
		script func(n int, c net.Conn, in *bufio.Reader)
	}{
		{"eof", func(_ int, c net.Conn, in *bufio.Reader) { take(in) }},
		{"reset", func(_ int, c net.Conn, in *bufio.Reader) { take(in); c.(*net.TCPConn).SetLinger(0) }},
		{"eof", func(_ int, c net.Conn, in *bufio.Reader) { take(in); io.WriteString(c, hello[:len(hello)-2]) }},
		{"malformed", func(_ int, c net.Conn, in *bufio.Reader) { take(in); io.WriteString(c, "no such thing\r\n\r\n") }},
		{"too_large", func(_ int, c net.Conn, in *bufio.Reader) {
			take(in)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n")
		}},
	} {
		seen.Store(0)
		addr, other := serve(t, x.script), serve(t, func(_ int, _ net.Conn, in *bufio.Reader) { take(in) })
		c := client(t, http1.Options{}, addr, other)
		var a http1.Answer
		var e *http1.Error
		if err := c.Do(far(), 0, get, &a); !errors.As(err, &e) || !e.Sent || e.Reason != x.reason {
			t.Errorf("%s: got %v", x.reason, err)
		}
		if seen.Load() != 1 || a.Peer != 0 {
			t.Errorf("%s: the request was seen %d times, peer %d", x.reason, seen.Load(), a.Peer)
		}
	}
}

func TestTimeoutIsSent(t *testing.T) {
	addr := serve(t, func(_ int, c net.Conn, in *bufio.Reader) {
		http.ReadRequest(in)
		in.ReadByte() // until the client gives up
	})
	c := client(t, http1.Options{}, addr)
	var a http1.Answer
	var e *http1.Error
	// The deadline is short because the test waits for it; it is not measured.
	if err := c.Do(time.Now().Add(50*time.Millisecond), 0, get, &a); !errors.As(err, &e) || e.Reason != "timeout" {
		t.Fatalf("got %v", err)
	}
}

// A kept connection that its peer has closed is found out before anything is
// written, so that the request is not in doubt.
func TestStaleConnection(t *testing.T) {
	for name, last := range map[string]string{"closed": "", "something unasked": "HTTP/1.1 408 Too late\r\n\r\n"} {
		t.Run(name, func(t *testing.T) {
			closing, closed := make(chan struct{}), make(chan struct{})
			addr := serve(t, func(n int, c net.Conn, in *bufio.Reader) {
				if n > 0 {
					answer(n, c, in)
					return
				}
				http.ReadRequest(in)
				io.WriteString(c, hello)
				<-closing
				io.WriteString(c, last)
				c.Close()
				close(closed)
			})
			c := client(t, http1.Options{}, addr)
			var a http1.Answer
			if err := c.Do(far(), 0, get, &a); err != nil {
				t.Fatal(err)
			}
			close(closing)
			<-closed // on loopback the close has arrived when it returns
			if err := c.Do(far(), 0, get, &a); err != nil {
				t.Fatalf("over a connection that was closed before: %v", err)
			}
			if len(a.Misses) != 0 {
				t.Errorf("misses %+v: the peer could be reached", a.Misses)
			}
		})
	}
}

// A connection that fails at the first byte has sent nothing: the request goes
// elsewhere, and is no Unknown.
func TestWriteThatTookNothing(t *testing.T) {
	addr := serve(t, answer)
	dials := 0
	c := client(t, http1.Options{Dial: func(ctx context.Context, address string) (net.Conn, error) {
		if dials++; dials == 1 {
			return deaf{}, nil
		}
		return net.Dial("tcp", addr)
	}}, "first:1", "second:1")
	var a http1.Answer
	if err := c.Do(far(), 0, get, &a); err != nil {
		t.Fatal(err)
	}
	if a.Peer != 1 || len(a.Misses) != 1 || a.Misses[0].Reason != "write_failed" {
		t.Errorf("peer %d, misses %+v", a.Peer, a.Misses)
	}
}

// deaf is a connection that takes no byte.
type deaf struct{ net.Conn }

func (deaf) Write([]byte) (int, error)   { return 0, net.ErrClosed }
func (deaf) SetDeadline(time.Time) error { return nil }
func (deaf) Close() error                { return nil }

// A dial that hangs leaves time for the other peer and its answer.
func TestHangingDialLeavesTime(t *testing.T) {
	addr := serve(t, answer)
	c := client(t, http1.Options{Dial: func(ctx context.Context, address string) (net.Conn, error) {
		if address == "hangs:1" {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return net.Dial("tcp", addr)
	}}, "hangs:1", "good:1")
	var a http1.Answer
	if err := c.Do(time.Now().Add(3*time.Second), 0, get, &a); err != nil {
		t.Fatal(err)
	}
	if a.Peer != 1 || a.Misses[0].Reason != "dial_timeout" {
		t.Errorf("peer %d, misses %+v", a.Peer, a.Misses)
	}
}

func TestIdleConnectionsAreBounded(t *testing.T) {
	var accepted atomic.Int32
	asked, closed := make(chan chan struct{}), make(chan struct{}, 5)
	addr := serve(t, func(n int, c net.Conn, in *bufio.Reader) {
		accepted.Add(1)
		for {
			if _, err := http.ReadRequest(in); err != nil {
				closed <- struct{}{}
				return
			}
			answer := make(chan struct{})
			asked <- answer
			<-answer
			io.WriteString(c, hello)
		}
	})
	c := client(t, http1.Options{MaxIdle: 2}, addr)
	// together makes n requests; none is answered before all have come, so each
	// has a connection of its own.
	together := func(n int) {
		var clients sync.WaitGroup
		for range n {
			clients.Go(func() {
				var a http1.Answer
				if err := c.Do(far(), 0, get, &a); err != nil {
					t.Error(err)
				}
			})
		}
		var waiting []chan struct{}
		for range n {
			waiting = append(waiting, <-asked)
		}
		for _, w := range waiting {
			close(w)
		}
		clients.Wait()
	}
	together(5)
	for range 3 { // are too many and on their way out; a hang here is the failure
		<-closed
	}
	together(2) // on those that were kept
	if n := accepted.Load(); n != 5 {
		t.Errorf("%d connections were made, want 5: two are kept", n)
	}
	c.Close()
	for range 2 {
		<-closed
	}
}
