package relay_test

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// A small message that a callee does not take is called back from the way, and
// nothing of it is lost: it meets the rule that has come, and the rest goes on
// when that one has gone.
func TestSmallMessageThatNobodyReads(t *testing.T) {
	callees := make(chan *net.TCPConn, 1)
	r := between(t, serve(t, func(c *net.TCPConn) {
		c.SetReadBuffer(256 << 10) // so that it does not grow, and few messages fill it
		callees <- c
	}))
	c := r.dial()
	const message = 8 << 10
	sent := 0
	for stuck := false; !stuck; {
		n, err := c.Write(pattern[sent%len(pattern):][:min(message, len(pattern)-sent%len(pattern))])
		if err != nil {
			t.Fatal(err)
		}
		sent += n
		// A machine that is slower than this has not got as far as it could:
		// then the message is not stuck, and arrives all the same.
		for end := time.Now().Add(200 * time.Millisecond); r.link(ab).BytesTo < int64(sent) && !stuck; {
			stuck = time.Now().After(end)
		}
	}
	r.shape(rule("late", "latency", "to", `{"latency":"10m"}`))
	eventually(t, "what has not arrived meets the rule", func() bool {
		return r.evidence(ab, "late").Bytes > 0 || r.link(ab).BytesTo == int64(sent)
	})
	r.unshape("late")
	r.shape(rule("again", "latency", "to", `{"latency":"1ms"}`))
	r.unshape("again")
	c.CloseWrite()
	var gate sync.RWMutex
	if got, err := drink(<-callees, &gate); got != sent || err != nil {
		t.Errorf("%d bytes of %d arrived, %v", got, sent, err)
	}
}

// A connection that pours and then talks is answered at once, each time.
func TestTalkAfterPouring(t *testing.T) {
	r := between(t, serve(t, echo))
	c := r.dial()
	for range 3 {
		for range 20 { // more than is spliced at once
			go c.Write(pattern)
			got := make([]byte, len(pattern))
			if _, err := io.ReadFull(c, got); err != nil || string(got) != string(pattern) {
				t.Fatalf("what is poured comes back changed, %v", err)
			}
		}
		ask(t, c, "a word")
		ask(t, c, "another")
	}
}
