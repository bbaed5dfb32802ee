package relay_test

import (
	"io"
	"testing"
	"time"
)

// Only the set-up is late: once, however long the connection lives.
func TestDialLatency(t *testing.T) {
	const delay = 60 * time.Millisecond
	r := between(t, serve(t, echo))
	live := r.dial()
	ask(t, live, "before")
	r.shape(rule("r", "dial_latency", "both", `{"latency":"60ms"}`))
	began := time.Now()
	c := r.dial()
	ask(t, c, "first")
	if took := time.Since(began); took < delay {
		t.Errorf("a new connection answered after %v, want at least %v", took, delay)
	}
	ask(t, c, "second")
	ask(t, live, "still here")
	if e := r.evidence(ab, "r"); e.Chunks != 1 || e.Bytes != 0 || e.Connections != 1 {
		t.Errorf("evidence %+v, want the one set-up", e)
	}
}

// Whoever lives does not notice, whoever comes waits, and the lift lets him in.
func TestDialLatencyIsLifted(t *testing.T) {
	r := between(t, serve(t, echo))
	live := r.dial()
	ask(t, live, "before")
	r.shape(rule("r", "dial_latency", "both", `{"latency":"10m","jitter":"1m","distribution":"normal"}`))
	ask(t, live, "during")
	fresh := r.dial()
	io.WriteString(fresh, "let me in")
	silent(t, fresh)
	ask(t, live, "still")
	r.unshape("r")
	want(t, fresh, "let me in")
}
