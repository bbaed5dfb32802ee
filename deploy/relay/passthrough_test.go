package relay_test

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/bedlamlab/bedlam/deploy"
)

func TestPassthrough(t *testing.T) {
	r := between(t, serve(t, echo))
	c := r.dial()
	ask(t, c, "hello")
	s := r.link(ab)
	if s.Accepted != 1 || s.Open != 1 || s.BytesTo != 5 || s.BytesFrom != 5 || !s.Listening {
		t.Errorf("statistics of a live connection: %+v", s)
	}
	ask(t, c, "again") // the count has not disturbed it
	c.CloseWrite()
	if rest, err := io.ReadAll(c); err != nil || len(rest) != 0 {
		t.Errorf("after the end: %q, %v", rest, err)
	}
	eventually(t, "the connection is forgotten", func() bool { return r.link(ab).Open == 0 })
}

// A caller that has said all still hears the answer.
func TestHalfClose(t *testing.T) {
	r := between(t, serve(t, func(c *net.TCPConn) {
		all, _ := io.ReadAll(c)
		c.Write(all)
		c.CloseWrite()
	}))
	c := r.dial()
	io.WriteString(c, "question")
	silent(t, c)
	c.CloseWrite()
	got, err := io.ReadAll(c)
	if string(got) != "question" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestResetTravels(t *testing.T) {
	for _, shaped := range []string{"", `{"latency":"5ms"}`} {
		t.Run("callee"+shaped, func(t *testing.T) {
			r := between(t, serve(t, func(c *net.TCPConn) {
				io.ReadFull(c, make([]byte, 1))
				c.SetLinger(0)
				c.Close()
			}))
			if shaped != "" {
				r.shape(rule("r", "latency", "both", shaped))
			}
			c := r.dial()
			io.WriteString(c, "x")
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the caller saw %v, want a reset", err)
			}
		})
		t.Run("caller"+shaped, func(t *testing.T) {
			saw := make(chan error, 1)
			r := between(t, serve(t, func(c *net.TCPConn) {
				io.WriteString(c, "x")
				_, err := c.Read(make([]byte, 1))
				saw <- err
			}))
			if shaped != "" {
				r.shape(rule("r", "latency", "both", shaped))
			}
			c := r.dial()
			want(t, c, "x")
			c.SetLinger(0)
			c.Close()
			if err := <-saw; !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the callee saw %v, want a reset", err)
			}
		})
	}
}

// The callee's death is seen by a caller that only writes.
func TestResetMeetsAWriter(t *testing.T) {
	for _, d := range []string{"", "to", "from", "both"} {
		t.Run("shaped "+d, func(t *testing.T) {
			r := between(t, serve(t, func(c *net.TCPConn) {
				io.ReadFull(c, make([]byte, 100_000))
				c.SetLinger(0)
				c.Close()
			}))
			if d != "" {
				r.shape(rule("r", "latency", deploy.Direction(d), `{"latency":"1ms"}`))
			}
			c := r.dial()
			var err error
			for err == nil {
				_, err = c.Write(make([]byte, 10_000))
			}
			if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
				t.Errorf("the writer saw %v", err)
			}
			eventually(t, "the connection is forgotten", func() bool { return r.link(ab).Open == 0 })
		})
	}
}

func TestRefusedDialIsAReset(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close() // nobody listens there now
	r := between(t, ln.Addr().String())
	if err := first(r.link(ab).Listen); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the caller saw %v, want a reset", err)
	}
	eventually(t, "the failure is counted", func() bool { return r.link(ab).DialFailures == 1 })
}
