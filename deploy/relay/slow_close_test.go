package relay_test

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
)

// The end arrives late, in the direction that the rule names, and bytes do not.
func TestSlowClose(t *testing.T) {
	const delay = 60 * time.Millisecond
	for _, test := range []struct {
		direction deploy.Direction
		least     time.Duration
	}{{deploy.To, delay}, {deploy.From, delay}, {deploy.Both, 2 * delay}} {
		t.Run(string(test.direction), func(t *testing.T) {
			r := between(t, serve(t, echo)) // sends the end back
			c := r.dial()
			ask(t, c, "before")
			r.shape(rule("r", "slow_close", test.direction, `{"delay":"60ms"}`))
			ask(t, c, "during")
			if e := r.evidence(ab, "r"); e.Chunks != 0 {
				t.Errorf("bytes were touched: %+v", e)
			}
			began := time.Now()
			io.WriteString(c, "the last words")
			c.CloseWrite()
			got, err := io.ReadAll(c)
			if string(got) != "the last words" || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
			if took := time.Since(began); took < test.least {
				t.Errorf("the end came after %v, want at least %v", took, test.least)
			}
			if e := r.evidence(ab, "r"); e.Chunks != int64(test.least/delay) || e.Bytes != 0 || e.Connections != 1 {
				t.Errorf("evidence %+v", e)
			}
		})
	}
}

// A peer that has gone looks alive: what is said to it is taken, no answer
// comes, and its end is seen when the rule goes.
func TestSlowCloseOfADeadPeer(t *testing.T) {
	for _, end := range []struct {
		name string
		say  func(*net.TCPConn)
		want error
	}{
		{"end", func(c *net.TCPConn) { c.CloseWrite() }, io.EOF},
		{"reset", func(c *net.TCPConn) { c.SetLinger(0); c.Close() }, syscall.ECONNRESET},
	} {
		t.Run(end.name, func(t *testing.T) {
			callees := make(chan *net.TCPConn, 1)
			r := between(t, serve(t, func(c *net.TCPConn) { callees <- c }))
			c := r.dial()
			io.WriteString(c, "x")
			callee := <-callees
			want(t, callee, "x")
			r.shape(rule("r", "slow_close", "both", `{"delay":"10m"}`))
			io.WriteString(callee, "bye")
			want(t, c, "bye")
			end.say(callee)
			eventually(t, "the end is held", func() bool { return r.evidence(ab, "r").Chunks > 0 })
			if _, err := io.WriteString(c, "are you there?"); err != nil {
				t.Errorf("speaking to the one that has gone: %v", err)
			}
			silent(t, c)
			r.unshape("r")
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, end.want) {
				t.Errorf("the caller saw %v, want %v", err, end.want)
			}
		})
	}
}

// Setting up is not slowed, nor is a refusal: nobody has been there to close.
func TestSlowCloseLeavesSetUpsAlone(t *testing.T) {
	r := between(t, serve(t, echo))
	r.shape(rule("r", "slow_close", "both", `{"delay":"10m"}`))
	ask(t, r.dial(), "x")
	if e := r.evidence(ab, "r"); e.Chunks != 0 {
		t.Errorf("evidence %+v", e)
	}
}
