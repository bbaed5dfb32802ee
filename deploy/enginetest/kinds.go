package enginetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// An answer is what one caller heard of a front, to the end of the connection.
type answer struct {
	head, body []byte
	took       time.Duration
	err        error
}

// hear asks a front once, without a client that would hide something.
func hear(ctx context.Context, address string) answer {
	began := time.Now()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return answer{err: err}
	}
	defer c.Close()
	if deadline, ok := ctx.Deadline(); ok {
		c.SetDeadline(deadline)
	}
	if _, err := io.WriteString(c, "GET /who HTTP/1.0\r\n\r\n"); err != nil {
		return answer{err: err}
	}
	all, err := io.ReadAll(c)
	a := answer{took: time.Since(began), err: err}
	a.head, a.body, _ = bytes.Cut(all, []byte("\r\n\r\n"))
	return a
}

// size is how many bytes came, at the least.
func (a answer) size() int { return len(a.head) + len(a.body) }

// kindsOfRules tries those kinds of rules that have no case of their own: what
// a caller sees of each, over the engine's relay. A slow one has a floor, which
// no busy machine can break.
func kindsOfRules(t *testing.T, f *fixture) {
	address := f.address(t, loader, "front-1")
	right := hear(within(t), address)
	if right.err != nil || len(right.body) == 0 {
		t.Fatalf("unharmed, it answers %d bytes, %v", len(right.body), right.err)
	}
	late := func(least time.Duration) func(answer) bool {
		return func(a answer) bool { return a.err == nil && bytes.Equal(a.body, right.body) && a.took >= least }
	}
	for _, c := range []struct {
		kind, args string
		seen       func(answer) bool
		within     time.Duration // 0: the suite's patience
		tries      int           // 0: one
	}{
		// The relay makes up for 25 ms of lateness; the answer takes longer.
		{kind: "bandwidth", args: `{"rate":"4KB/s"}`, seen: late(time.Duration(right.size())*time.Second/4000 - 25*time.Millisecond)},
		{kind: "blackhole", within: 300 * time.Millisecond, seen: func(a answer) bool {
			var n net.Error
			return errors.As(a.err, &n) && n.Timeout() && a.size() == 0
		}},
		{kind: "slow_close", args: `{"delay":"200ms"}`, seen: late(200 * time.Millisecond)},
		{kind: "dial_latency", args: `{"latency":"200ms"}`, seen: late(200 * time.Millisecond)},
		{kind: "slicer", args: `{"average_size":100,"delay":"20ms"}`, seen: late(time.Duration(right.size()/100-1) * 20 * time.Millisecond)},
		// The question has 21 bytes.
		{kind: "limit_data", args: `{"bytes":60}`, seen: func(a answer) bool { return a.size() <= 60 && len(a.body) == 0 }},
		{kind: "timeout", args: `{"timeout":"200ms"}`, seen: func(a answer) bool { return a.err == nil && a.size() == 0 && a.took >= 200*time.Millisecond }},
		{kind: "reset_peer", args: `{"timeout":"200ms"}`, seen: func(a answer) bool {
			return errors.Is(a.err, syscall.ECONNRESET) && a.size() == 0
		}},
		{kind: "refuse", seen: func(a answer) bool { return errors.Is(a.err, syscall.ECONNREFUSED) }},
		// A hit that nobody hears, of the date for one, is the next one's to make up for.
		{kind: "corrupt", args: `{"percent":100}`, tries: 50, within: time.Second, seen: func(a answer) bool {
			return !bytes.Equal(a.body, right.body)
		}},
	} {
		t.Run(c.kind, func(t *testing.T) {
			shaped(t, f, rule("enginetest/"+c.kind, c.kind, c.args, link(loader, "front-1")), func() {
				var a answer
				for range max(1, c.tries) {
					ctx := within(t)
					if c.within > 0 {
						short, cancel := context.WithTimeout(ctx, c.within)
						defer cancel()
						ctx = short
					}
					if a = hear(ctx, address); c.seen(a) {
						return
					}
				}
				t.Errorf("it does not show: %d bytes after %s, %v", a.size(), a.took, a.err)
			})
			if a := hear(within(t), address); a.err != nil || !bytes.Equal(a.body, right.body) {
				t.Errorf("after the lift: %d bytes, %v", a.size(), a.err)
			}
		})
	}
}
