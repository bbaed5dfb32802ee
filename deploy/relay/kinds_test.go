package relay_test

import (
	"errors"
	"io"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/relay"
)

func TestKinds(t *testing.T) {
	var names []string
	for _, k := range relay.Kinds() {
		names = append(names, k.Name)
		if k.Doc == "" {
			t.Errorf("%s is not documented", k.Name)
		}
		for _, a := range k.Args {
			if a.Name == "" || a.Type == "" || a.Doc == "" {
				t.Errorf("%s: argument %+v is not documented", k.Name, a)
			}
		}
	}
	for _, want := range []string{
		"abort", "bandwidth", "blackhole", "capacity", "corrupt", "delay_request", "dial_latency", "dns_delay", "dns_failure", "drop_response", "duplicate_request", "latency",
		"limit_data", "partition", "refuse", "reset", "reset_peer", "slicer", "slow_close", "timeout",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("kind %s is missing from %v", want, names)
		}
	}
}

// A latency holds each direction it names back, for a live connection, and no
// other. A delay has a least time that a busy machine cannot break; that it has
// no more than this is the benchmark's to say.
func TestLatency(t *testing.T) {
	const delay = 40 * time.Millisecond
	r := between(t, serve(t, echo))
	c := r.dial()
	ask(t, c, "before")
	for _, test := range []struct {
		direction deploy.Direction
		least     time.Duration
	}{{deploy.To, delay}, {deploy.From, delay}, {deploy.Both, 2 * delay}} {
		id := "latency/" + string(test.direction)
		r.shape(rule(id, "latency", test.direction, `{"latency":"40ms"}`))
		began := time.Now()
		ask(t, c, "during")
		if took := time.Since(began); took < test.least {
			t.Errorf("%s: a round trip took %v, want at least %v", test.direction, took, test.least)
		}
		e := r.evidence(ab, id)
		if chunks := int64(test.least / delay); !e.Live || e.Chunks != chunks || e.Bytes != 6*chunks || e.Connections != 1 {
			t.Errorf("%s: evidence %+v", test.direction, e)
		}
		r.unshape(id)
		if e := r.evidence(ab, id); e.Live || e.Connections != 1 {
			t.Errorf("%s: evidence after the lift %+v", test.direction, e)
		}
	}
}

// A set-up takes a round trip; the first byte one way more.
func TestLatencyOfASetUp(t *testing.T) {
	r := between(t, serve(t, echo))
	r.shape(rule("r", "latency", "both", `{"latency":"30ms"}`))
	began := time.Now()
	ask(t, r.dial(), "x")
	if took := time.Since(began); took < 4*30*time.Millisecond {
		t.Errorf("set-up and round trip took %v, want at least 120ms", took)
	}
}

// Lifting a delay of ten minutes frees what it holds at once.
func TestLiftFreesWhatWaits(t *testing.T) {
	r := between(t, serve(t, echo))
	live := r.dial()
	ask(t, live, "before")
	r.shape(rule("r", "latency", "both", `{"latency":"10m"}`))
	fresh := r.dial()
	io.WriteString(live, "one")
	io.WriteString(fresh, "two")
	silent(t, live)
	silent(t, fresh)
	r.unshape("r")
	want(t, live, "one")
	want(t, fresh, "two")
}

// Chunks wait side by side: a hundred messages under a long delay are all under
// way at once, and arrive together, not one delay after the other.
func TestLatencyIsPipelined(t *testing.T) {
	got := make(chan time.Time, 1000)
	r := between(t, serve(t, func(c *net.TCPConn) {
		b := make([]byte, 1)
		for {
			if _, err := c.Read(b); err != nil {
				return
			}
			got <- time.Now()
		}
	}))
	c := r.dial()
	io.WriteString(c, "0")
	<-got
	r.shape(rule("r", "latency", "to", `{"latency":"10m"}`))
	for i := range int64(100) {
		io.WriteString(c, "x")
		eventually(t, "the message is under way", func() bool { return r.evidence(ab, "r").Bytes == i+1 })
	}
	if len(got) != 0 {
		t.Fatal("a message arrived too early")
	}
	r.unshape("r")
	for range 100 {
		<-got
	}
}

func TestReset(t *testing.T) {
	saw := make(chan error, 1)
	r := between(t, serve(t, func(c *net.TCPConn) {
		io.WriteString(c, "x")
		_, err := c.Read(make([]byte, 1))
		saw <- err
	}))
	live := r.dial()
	want(t, live, "x")
	r.shape(rule("r", "reset", "both", ""))
	if _, err := live.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the caller saw %v, want a reset", err)
	}
	if err := <-saw; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the callee saw %v, want a reset", err)
	}
	if err := first(r.link(ab).Listen); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a new caller saw %v, want a reset", err)
	}
	if e := r.evidence(ab, "r"); e.Connections != 2 {
		t.Errorf("evidence %+v, want 2 connections", e)
	}
	r.unshape("r")
	want(t, r.dial(), "x")
}

// first dials and reads one byte. A reset may come before the dial is through.
func first(address string) error {
	c, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	_, err = c.Read(make([]byte, 1))
	return err
}

// The draws of a rule depend on its seed and the connection's number, on
// nothing else: two relays reset the same connections, another seed others.
func TestDrawsRepeat(t *testing.T) {
	pattern := func(seed uint64, neighbour bool) string {
		r := between(t, serve(t, func(c *net.TCPConn) { io.WriteString(c, "x") }))
		defer r.Stop()
		if neighbour {
			r.shape(rule("other", "latency", "both", `{"latency":"1us","jitter":"1us"}`))
		}
		half := rule("r", "reset", "both", `{"probability":0.5}`)
		half.Seed = seed
		r.shape(half)
		address := r.link(ab).Listen
		var drawn []byte
		for range 64 {
			if first(address) != nil {
				drawn = append(drawn, 'r')
			} else {
				drawn = append(drawn, '.')
			}
		}
		return string(drawn)
	}
	first, again, beside, other := pattern(1, false), pattern(1, false), pattern(1, true), pattern(2, false)
	if first != again || first != beside {
		t.Errorf("the same seed drew\n%s\n%s\n%s", first, again, beside)
	}
	if first == other {
		t.Errorf("seeds 1 and 2 both drew\n%s", first)
	}
}
