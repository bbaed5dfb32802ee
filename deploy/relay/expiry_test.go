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

// What is said is lost, and after the time both sides see an end.
func TestTimeout(t *testing.T) {
	for _, d := range []deploy.Direction{deploy.To, deploy.From, deploy.Both} {
		t.Run(string(d), func(t *testing.T) {
			address, _, heard := listener(t)
			r := between(t, address)
			c := r.dial()
			ask(t, c, "before")
			<-heard
			r.shape(rule("r", "timeout", d, `{"timeout":"60ms"}`))
			began := time.Now()
			io.WriteString(c, "hello")
			if n, err := c.Read(make([]byte, 1)); err != io.EOF || time.Since(began) < 60*time.Millisecond {
				t.Errorf("%d bytes, %v after %s; want an end, not before 60ms", n, err, time.Since(began))
			}
			if d == deploy.From {
				if got := <-heard; got != "hello" {
					t.Errorf("the callee heard %q first", got)
				}
			}
			if got := <-heard; got != "EOF" {
				t.Errorf("the callee heard %q, want the end", got)
			}
			if e := r.evidence(ab, "r"); e.Bytes != 5 || e.Connections != 1 {
				t.Errorf("evidence %+v", e)
			}
		})
	}
}

// Connections on which nobody speaks end too, live ones and new ones.
func TestTimeoutOfTheSilent(t *testing.T) {
	address, accepted, _ := listener(t)
	r := between(t, address)
	live := r.dial()
	<-accepted
	r.shape(rule("r", "timeout", "from", `{"timeout":"20ms"}`))
	fresh := r.dial()
	for _, c := range []io.Reader{live, fresh} {
		if n, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%d bytes, %v; want an end", n, err)
		}
	}
}

// Without a time nothing is closed before the rule goes; then whoever spoke is
// reset, and the others go on.
func TestTimeoutWithoutEnd(t *testing.T) {
	r := between(t, serve(t, echo))
	spoke, quiet := r.dial(), r.dial()
	ask(t, spoke, "before")
	ask(t, quiet, "before")
	r.shape(rule("r", "timeout", "to", ""))
	io.WriteString(spoke, "hello")
	silent(t, spoke)
	r.unshape("r")
	wantReset(t, spoke)
	ask(t, quiet, "after")
}

// The first word of a direction is a connection's last.
func TestResetPeer(t *testing.T) {
	for _, d := range []deploy.Direction{deploy.To, deploy.From} {
		t.Run(string(d), func(t *testing.T) {
			r := between(t, serve(t, echo))
			spoke, quiet := r.dial(), r.dial()
			ask(t, spoke, "before")
			ask(t, quiet, "before")
			r.shape(rule("r", "reset_peer", d, `{"timeout":"30ms"}`))
			began := time.Now()
			io.WriteString(spoke, "hello")
			wantReset(t, spoke)
			if took := time.Since(began); took < 30*time.Millisecond {
				t.Errorf("reset after %s", took)
			}
			r.unshape("r")
			ask(t, quiet, "after")
		})
	}
}

// While the rule is there a link has no listener, whatever else there is on it
// and whether or not its callee is up.
func TestRefuse(t *testing.T) {
	r := between(t, serve(t, echo))
	address := r.link(ab).Listen
	live := r.dial()
	ask(t, live, "before")
	r.shape(rule("shut", "refuse", "both", ""))
	wantReset(t, live)
	r.shape(rule("slow", "latency", "both", `{"latency":"1us"}`))
	for _, up := range []bool{false, true} {
		if err := r.SetUpstream(t.Context(), "b-1", up); err != nil {
			t.Fatal(err)
		}
		if err := first(address); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("with the callee up (%t): %v, want a refusal", up, err)
		}
	}
	r.unshape("shut")
	ask(t, dial(t, address), "after")
	if e := r.evidence(ab, "shut"); e.Connections != 1 || e.Live {
		t.Errorf("evidence %+v", e)
	}
}

// A port that was taken meanwhile is said, and had again when it is free.
func TestRefuseAndATakenPort(t *testing.T) {
	r := between(t, serve(t, echo))
	address := r.link(ab).Listen
	r.shape(rule("shut", "refuse", "both", ""))
	taken := listen(t, address)
	if err := r.Unshape(t.Context(), "shut"); err == nil {
		t.Error("its port was taken, and nothing is said")
	}
	if live, err := r.Rules(t.Context()); err != nil || len(live) > 0 {
		t.Errorf("rules left: %v, %v", live, err)
	}
	taken.Close()
	r.unshape("shut")
	ask(t, dial(t, address), "after")
}

// A rule for established connections is met by their bytes, and not by their
// setting-up; without that the callee is not reached.
func TestEstablished(t *testing.T) {
	address, accepted, heard := listener(t)
	r := between(t, address)
	slow := rule("r", "latency", "both", `{"latency":"10m"}`)
	r.shape(slow)
	held := r.dial()
	eventually(t, "its set-up is held", func() bool { return r.evidence(ab, "r").Chunks == 1 })
	if len(accepted) > 0 {
		t.Error("without it, the callee was reached")
	}
	r.unshape("r")
	ask(t, held, "held")
	<-accepted
	<-heard

	slow.ID, slow.Established = "standing", true
	r.shape(slow)
	c := r.dial()
	eventually(t, "its callee is reached", func() bool { return len(accepted) == 1 })
	io.WriteString(c, "hello")
	eventually(t, "its bytes are held", func() bool { return r.evidence(ab, "standing").Bytes == 5 })
	r.unshape("standing")
	want(t, c, "hello")
}

// listen takes an address.
func listen(t testing.TB, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}
