package relay_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
)

// Each connection carries the bytes that it may and is closed then, for both
// sides, whichever way they go.
func TestLimitData(t *testing.T) {
	const limit = 1000
	for _, d := range []deploy.Direction{deploy.To, deploy.From, deploy.Both} {
		for _, live := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/live %t", d, live), func(t *testing.T) {
				heard := make(chan []byte, 1)
				r := between(t, serve(t, func(c *net.TCPConn) {
					defer c.Close()
					c.SetDeadline(time.Now().Add(patience))
					b := make([]byte, 1)
					if live {
						io.ReadFull(c, b)
						c.Write(b)
					}
					if d == deploy.From {
						io.ReadFull(c, b)
						c.Write(pattern[:2*limit])
					}
					got, _ := io.ReadAll(c)
					heard <- got
				}))
				args := fmt.Sprintf(`{"bytes":%d}`, limit)
				var c *net.TCPConn
				if live { // what was said before does not count
					c = r.dial()
					ask(t, c, "x")
				}
				r.shape(rule("r", "limit_data", d, args))
				if !live {
					c = r.dial()
				}
				if d == deploy.From {
					io.WriteString(c, "?")
				} else {
					c.Write(pattern[:2*limit])
				}
				answer, _ := io.ReadAll(c) // an end or a reset
				asked := <-heard
				if d == deploy.From {
					asked, answer = answer, asked
				}
				if !bytes.Equal(asked, pattern[:limit]) || len(answer) != 0 {
					t.Errorf("%d bytes were carried, and %d the other way; want the first %d", len(asked), len(answer), limit)
				}
				if e := r.evidence(ab, "r"); e.Chunks != 1 || e.Connections != 1 {
					t.Errorf("evidence %+v", e)
				}
				eventually(t, "the connection is gone", func() bool { return r.link(ab).Open == 0 })
			})
		}
	}
}

// Below its limit a connection notices nothing, and each counts for itself.
func TestLimitDataIsOfTheConnection(t *testing.T) {
	r := between(t, serve(t, echo))
	r.shape(rule("r", "limit_data", "both", `{"bytes":10}`))
	for range 3 {
		c := r.dial()
		ask(t, c, "nine byte")
		if e := r.evidence(ab, "r"); e.Chunks != 0 {
			t.Errorf("evidence %+v", e)
		}
		c.CloseWrite()
		if n, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%d bytes, %v; want the end of the other side", n, err)
		}
	}
	r.unshape("r")
	ask(t, r.dial(), "as many bytes as anybody likes")
}

// A limit of nothing lets a connection be made and closes it at the first byte.
func TestLimitDataOfNothing(t *testing.T) {
	r := between(t, serve(t, echo))
	r.shape(rule("r", "limit_data", "to", `{"bytes":0}`))
	c := r.dial()
	silent(t, c)
	io.WriteString(c, "x")
	if got, _ := io.ReadAll(c); len(got) != 0 {
		t.Errorf("%q came back", got)
	}
}
