package relay_test

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
)

// Pieces come apart, in the direction that the rule names. A delay has a floor
// that no busy machine can break.
func TestSlicer(t *testing.T) {
	const text, floor = "ten pieces of these", 9 * 10 * time.Millisecond
	for _, test := range []struct {
		direction deploy.Direction
		least     time.Duration
	}{{deploy.To, floor}, {deploy.From, floor}, {deploy.Both, floor}} {
		t.Run(string(test.direction), func(t *testing.T) {
			r := between(t, serve(t, func(c *net.TCPConn) {
				defer c.Close()
				b := make([]byte, len(text))
				for {
					if _, err := io.ReadFull(c, b); err != nil {
						return
					}
					c.Write(b)
				}
			}))
			c := r.dial()
			ask(t, c, text)
			r.shape(rule("r", "slicer", test.direction, `{"average_size":2,"delay":"10ms"}`))
			began := time.Now()
			ask(t, c, text)
			if took := time.Since(began); took < test.least {
				t.Errorf("%d bytes two by two took %v, want at least %v", len(text), took, test.least)
			}
			if e := r.evidence(ab, "r"); e.Chunks == 0 || e.Connections != 1 {
				t.Errorf("evidence %+v", e)
			}
			r.unshape("r")
			ask(t, c, text)
		})
	}
}

// When the rule goes, what waits for its turn goes at once, whole and in order.
func TestSlicerIsLifted(t *testing.T) {
	r := between(t, serve(t, echo))
	r.shape(rule("r", "slicer", "to", `{"average_size":1,"delay":"10m"}`))
	c := r.dial()
	const text = "one letter in ten minutes"
	io.WriteString(c, text)
	want(t, c, text[:1])
	silent(t, c)
	r.unshape("r")
	want(t, c, text[1:])
}

// Single bytes without a delay, more of them than a connection may hold, with
// another rule behind: nothing is lost, and no change of rules waits for them.
func TestSlicerOfSingleBytes(t *testing.T) {
	r := between(t, serve(t, echo))
	r.shape(rule("r", "slicer", "both", `{"average_size":1}`))
	r.shape(rule("behind", "latency", "both", `{"latency":"1ms"}`))
	c := r.dial()
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(pattern[:200_000])
		sent <- err
	}()
	want(t, c, string(pattern[:10_000]))
	r.unshape("r")
	want(t, c, string(pattern[10_000:200_000]))
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if e := r.evidence(ab, "r"); e.Connections != 1 {
		t.Errorf("evidence %+v", e)
	}
}
