package relay_test

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

// listener is a callee that tells what it hears and sends it back.
func listener(t testing.TB) (address string, accepted chan struct{}, heard chan string) {
	accepted, heard = make(chan struct{}, 10), make(chan string, 10)
	return serve(t, func(c *net.TCPConn) {
		defer c.Close()
		accepted <- struct{}{}
		b := make([]byte, 100)
		for {
			n, err := c.Read(b)
			if err != nil {
				heard <- err.Error()
				return
			}
			heard <- string(b[:n])
			c.Write(b[:n])
		}
	}), accepted, heard
}

// wantReset wants the connection to end with a reset.
func wantReset(t testing.TB, c *net.TCPConn) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read %d bytes, %v; want a reset", n, err)
	}
}

// Live connections go silent without an end; when the hole is gone, those that
// spoke into it are reset and those that did not go on.
func TestBlackholeOfLiveConnections(t *testing.T) {
	for _, d := range []deploy.Direction{deploy.To, deploy.From, deploy.Both} {
		t.Run(string(d), func(t *testing.T) {
			address, _, heard := listener(t)
			r := between(t, address)
			spoke, quiet := r.dial(), r.dial()
			for _, c := range []*net.TCPConn{spoke, quiet} {
				ask(t, c, "before")
				<-heard
			}
			r.shape(rule("hole", "blackhole", d, ""))
			io.WriteString(spoke, "during")
			silent(t, spoke)
			silent(t, quiet)
			switch {
			case d == deploy.From && <-heard != "during":
				t.Error("the callee did not hear the question")
			case len(heard) > 0:
				t.Errorf("the callee heard %q", <-heard)
			}
			eventually(t, "it is swallowed", func() bool { return r.evidence(ab, "hole").Bytes == 6 })
			if e := r.evidence(ab, "hole"); e.Connections != 1 {
				t.Errorf("evidence %+v", e)
			}
			r.unshape("hole")
			wantReset(t, spoke)
			ask(t, quiet, "after")
		})
	}
}

// New connections are taken, and nobody answers; unless the answers alone are
// lost, the callee is not asked. When the hole is gone they are reset, and the
// next one is served.
func TestBlackholeOfNewConnections(t *testing.T) {
	for _, d := range []deploy.Direction{deploy.To, deploy.From, deploy.Both} {
		t.Run(string(d), func(t *testing.T) {
			address, accepted, heard := listener(t)
			r := between(t, address)
			r.shape(rule("hole", "blackhole", d, "{}"))
			c := r.dial()
			io.WriteString(c, "hello")
			if d == deploy.From {
				<-accepted
				if got := <-heard; got != "hello" {
					t.Errorf("the callee heard %q", got)
				}
			}
			silent(t, c)
			if len(accepted) > 0 {
				t.Error("the callee was reached")
			}
			eventually(t, "it is met", func() bool { return r.evidence(ab, "hole").Connections == 1 })
			r.unshape("hole")
			wantReset(t, c)
			ask(t, r.dial(), "again")
			if e := r.link(ab).DialFailures; e != 0 {
				t.Errorf("%d dials failed", e)
			}
		})
	}
}

// No end and no reset gets out of the hole.
func TestBlackholeSwallowsMarks(t *testing.T) {
	for _, end := range []struct {
		name string
		say  func(*net.TCPConn)
	}{
		{"end", func(c *net.TCPConn) { c.CloseWrite() }},
		{"reset", func(c *net.TCPConn) { c.SetLinger(0); c.Close() }},
	} {
		t.Run(end.name, func(t *testing.T) {
			address, _, heard := listener(t)
			r := between(t, address)
			c := r.dial()
			ask(t, c, "x")
			<-heard
			r.shape(rule("hole", "blackhole", "both", ""))
			end.say(c)
			eventually(t, "the mark is swallowed", func() bool { return r.evidence(ab, "hole").Chunks == 1 })
			if len(heard) > 0 {
				t.Errorf("the callee saw %q through the hole", <-heard)
			}
			r.unshape("hole")
			<-heard // a reset: whatever error it shows as, the connection is over
			eventually(t, "the connection is forgotten", func() bool { return r.link(ab).Open == 0 })
		})
	}
}

// A rule that nobody renews ends as one that is lifted.
func TestBlackholeExpires(t *testing.T) {
	r := between(t, serve(t, echo))
	c := r.dial()
	ask(t, c, "x")
	hole := rule("hole", "blackhole", "both", "")
	hole.TTL = topology.Duration(time.Second)
	r.shape(hole)
	io.WriteString(c, "y")
	wantReset(t, c)
	ask(t, r.dial(), "z")
}
