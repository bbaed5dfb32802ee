package relay_test

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/relay"
	"github.com/bedlamlab/bedlam/topology"
)

var _ deploy.Shaper = (*relay.Client)(nil)

// A rule is refused whole, in one line, and changes nothing.
func TestRefusals(t *testing.T) {
	r := between(t, serve(t, echo))
	good := func() deploy.Rule { return rule("r", "latency", "both", `{"latency":"1ms"}`) }
	nowhere := topology.Link{From: "a-1", To: "c-1"}
	for _, test := range []struct {
		name   string
		change func(*deploy.Rule)
		says   string
	}{
		{"unknown kind", func(r *deploy.Rule) { r.Kind = "gremlins" }, "gremlins"},
		{"unknown link", func(r *deploy.Rule) { r.Links = append(r.Links, nowhere) }, "a-1->c-1"},
		{"link twice", func(r *deploy.Rule) { r.Links = append(r.Links, ab) }, "twice"},
		{"no link", func(r *deploy.Rule) { r.Links = nil }, "no link"},
		{"no id", func(r *deploy.Rule) { r.ID = "" }, "id"},
		{"id with a line break", func(r *deploy.Rule) { r.ID = "a\nb" }, "id"},
		{"long id", func(r *deploy.Rule) { r.ID = strings.Repeat("x", 257) }, "id"},
		{"direction", func(r *deploy.Rule) { r.Direction = "up" }, "direction"},
		{"no ttl", func(r *deploy.Rule) { r.TTL = 0 }, "TTL"},
		{"short ttl", func(r *deploy.Rule) { r.TTL = topology.Duration(time.Second - 1) }, "TTL"},
		{"toxicity 2", func(r *deploy.Rule) { r.Toxicity = 2 }, "toxicity"},
		{"negative toxicity", func(r *deploy.Rule) { r.Toxicity = -0.5 }, "toxicity"},
		{"unknown argument", func(r *deploy.Rule) { r.Args = json.RawMessage(`{"latency":"1ms","delay":"1ms"}`) }, "delay"},
		{"no argument", func(r *deploy.Rule) { r.Args = nil }, "nothing"},
		{"negative latency", func(r *deploy.Rule) { r.Args = json.RawMessage(`{"latency":"-1ms"}`) }, "latency"},
		{"an hour's latency", func(r *deploy.Rule) { r.Args = json.RawMessage(`{"latency":"1h"}`) }, "10m"},
		{"negative jitter", func(r *deploy.Rule) { r.Args = json.RawMessage(`{"latency":"1s","jitter":"-1s"}`) }, "jitter"},
		{"latency as a number", func(r *deploy.Rule) { r.Args = json.RawMessage(`{"latency":100}`) }, "latency"},
		{"correlation", func(r *deploy.Rule) { r.Args = json.RawMessage(`{"latency":"1s","correlation":101}`) }, "percentage"},
		{"distribution", func(r *deploy.Rule) { r.Args = json.RawMessage(`{"latency":"1s","distribution":"flat"}`) }, "flat"},
		{"partition's argument", func(r *deploy.Rule) { r.Kind = "partition" }, "latency"},
		{"probability 0", func(r *deploy.Rule) { r.Kind, r.Args = "reset", json.RawMessage(`{"probability":0}`) }, "probability"},
		{"probability 2", func(r *deploy.Rule) { r.Kind, r.Args = "reset", json.RawMessage(`{"probability":2}`) }, "probability"},
		{"no rate", func(r *deploy.Rule) { r.Kind, r.Args = "bandwidth", nil }, "nothing"},
		{"a rate without a unit", func(r *deploy.Rule) { r.Kind, r.Args = "bandwidth", json.RawMessage(`{"rate":"64"}`) }, "unit"},
		{"a rate of nothing", func(r *deploy.Rule) { r.Kind, r.Args = "bandwidth", json.RawMessage(`{"rate":"0KB/s"}`) }, "1KB/s"},
		{"a misspelt rate", func(r *deploy.Rule) { r.Kind, r.Args = "bandwidth", json.RawMessage(`{"rat":"1KB/s"}`) }, "rat"},
		{"blackhole's argument", func(r *deploy.Rule) { r.Kind = "blackhole" }, "latency"},
		{"no delay", func(r *deploy.Rule) { r.Kind, r.Args = "slow_close", nil }, "delay"},
		{"negative delay", func(r *deploy.Rule) { r.Kind, r.Args = "slow_close", json.RawMessage(`{"delay":"-1s"}`) }, "delay"},
		{"an hour's delay", func(r *deploy.Rule) { r.Kind, r.Args = "slow_close", json.RawMessage(`{"delay":"1h"}`) }, "10m"},
		{"a misspelt delay", func(r *deploy.Rule) { r.Kind, r.Args = "slow_close", json.RawMessage(`{"delya":"1s"}`) }, "delya"},
		{"a negative timeout", func(r *deploy.Rule) { r.Kind, r.Args = "timeout", json.RawMessage(`{"timeout":"-1s"}`) }, "timeout"},
		{"an hour's timeout", func(r *deploy.Rule) { r.Kind, r.Args = "reset_peer", json.RawMessage(`{"timeout":"1h"}`) }, "10m"},
		{"refuse's argument", func(r *deploy.Rule) { r.Kind, r.Direction = "refuse", "both" }, "latency"},
		{"one-way refusal", func(r *deploy.Rule) { r.Kind, r.Args, r.Direction = "refuse", nil, "to" }, "both"},
		{"a refusal of some", func(r *deploy.Rule) { r.Kind, r.Args, r.Direction, r.Toxicity = "refuse", nil, "both", 0.5 }, "toxicity"},
		{"no latency of a set-up", func(r *deploy.Rule) { r.Kind, r.Args = "dial_latency", nil }, "nothing"},
		{"correlation of one set-up", func(r *deploy.Rule) {
			r.Kind, r.Args = "dial_latency", json.RawMessage(`{"latency":"1s","correlation":5}`)
		}, "correlation"},
		{"one-way set-up", func(r *deploy.Rule) { r.Kind, r.Direction = "dial_latency", "to" }, "both"},
		{"no size", func(r *deploy.Rule) { r.Kind, r.Args = "slicer", json.RawMessage(`{"delay":"1ms"}`) }, "average_size"},
		{"a size that nothing has", func(r *deploy.Rule) { r.Kind, r.Args = "slicer", json.RawMessage(`{"average_size":65536}`) }, "average_size"},
		{"sizes of nothing", func(r *deploy.Rule) {
			r.Kind, r.Args = "slicer", json.RawMessage(`{"average_size":5,"size_variation":5}`)
		}, "size_variation"},
		{"slices an hour apart", func(r *deploy.Rule) {
			r.Kind, r.Args = "slicer", json.RawMessage(`{"average_size":5,"delay":"1h"}`)
		}, "10m"},
		{"no limit", func(r *deploy.Rule) { r.Kind, r.Args = "limit_data", nil }, "bytes"},
		{"negative limit", func(r *deploy.Rule) { r.Kind, r.Args = "limit_data", json.RawMessage(`{"bytes":-1}`) }, "negative"},
		{"no percentage", func(r *deploy.Rule) { r.Kind, r.Args = "corrupt", nil }, "percent"},
		{"percentage 0", func(r *deploy.Rule) { r.Kind, r.Args = "corrupt", json.RawMessage(`{"percent":0}`) }, "percent"},
		{"percentage 101", func(r *deploy.Rule) { r.Kind, r.Args = "corrupt", json.RawMessage(`{"percent":101}`) }, "percent"},
		{"one-way reset", func(r *deploy.Rule) { r.Kind, r.Args, r.Direction = "reset", nil, "to" }, "both"},
	} {
		t.Run(test.name, func(t *testing.T) {
			bad := good()
			test.change(&bad)
			err := r.Shape(t.Context(), bad)
			if !errors.Is(err, relay.ErrRefused) || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), "(400)") {
				t.Errorf("got %v, want a refusal that says %q", err, test.says)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("not one line: %q", err)
			}
			if live, err := r.Rules(t.Context()); err != nil || len(live) != 0 {
				t.Errorf("rules after a refusal: %v, %v", live, err)
			}
		})
	}
	r.shape(good()) // and the good one is taken
}

func TestRulesAreReadBack(t *testing.T) {
	r := between(t, serve(t, echo))
	one := rule("suite/one", "latency", "to", `{"latency":"1ms"}`)
	two := rule("suite/two?&", "partition", "from", "")
	two.Args = nil
	r.shape(one)
	r.shape(two)
	live, err := r.Rules(t.Context())
	if err != nil || len(live) != 2 || live[0].ID != one.ID || live[1].ID != two.ID || live[0].Seed != 7 || string(live[0].Args) != string(one.Args) {
		t.Errorf("got %+v, %v", live, err)
	}
	r.unshape("suite/one")
	r.unshape("suite/one") // idempotent
	r.unshape("suite/two?&")
	if live, err := r.Rules(t.Context()); err != nil || len(live) != 0 {
		t.Errorf("left %+v, %v", live, err)
	}
}

// A rule with a toxicity harms its share of connections, and these wholly.
func TestToxicityOnTheWire(t *testing.T) {
	r := between(t, serve(t, func(c *net.TCPConn) { io.WriteString(c, "x") }))
	half := rule("r", "reset", "both", "")
	half.Toxicity = 0.5
	r.shape(half)
	if live, err := r.Rules(t.Context()); err != nil || len(live) != 1 || live[0].Toxicity != 0.5 {
		t.Errorf("read back %+v, %v", live, err)
	}
	const n = 64
	address := r.link(ab).Listen
	var broken int64
	for range n {
		if first(address) != nil {
			broken++
		}
	}
	// The seed decides: that it is neither none nor all does not change.
	if e := r.evidence(ab, "r"); broken == 0 || broken == n || e.Connections != broken {
		t.Errorf("%d of %d connections were broken, evidence %+v", broken, n, e)
	}
}

// The same rule again only lives longer; another one of its ID takes its place.
func TestReplace(t *testing.T) {
	r := between(t, serve(t, echo))
	c := r.dial()
	ask(t, c, "x")
	r.shape(rule("r", "partition", "to", ""))
	io.WriteString(c, "held")
	eventually(t, "held", func() bool { return r.evidence(ab, "r").Bytes == 4 })
	r.shape(rule("r", "partition", "to", "{}"))
	silent(t, c)
	r.shape(rule("r", "latency", "to", `{"latency":"1ms"}`))
	want(t, c, "held")
	if live, _ := r.Rules(t.Context()); len(live) != 1 || live[0].Kind != "latency" {
		t.Errorf("rules %+v", live)
	}
}

// A rule for several links is all or nothing, and a replaced one leaves the
// links that it no longer names.
func TestManyLinks(t *testing.T) {
	up := serve(t, echo)
	ac := topology.Link{From: "a-1", To: "c-1"}
	r := start(t, relay.Config{Edges: []relay.Edge{{Link: ab, Upstream: up}, {Link: ac, Upstream: up}}})
	b, c := r.dial(), r.dialLink(ac)
	ask(t, b, "x")
	ask(t, c, "x")
	cut := rule("cut", "partition", "both", "")
	cut.Links = []topology.Link{ab, ac}
	r.shape(cut)
	io.WriteString(b, "b")
	io.WriteString(c, "c")
	silent(t, b)
	silent(t, c)
	cut.Links = []topology.Link{ac}
	r.shape(cut)
	want(t, b, "b")
	silent(t, c)
	r.unshape("cut")
	want(t, c, "c")
}

// Two rules on one link add up, and either may go first.
func TestStack(t *testing.T) {
	for _, first := range []string{"slow", "cut"} {
		r := between(t, serve(t, echo))
		c := r.dial()
		ask(t, c, "x")
		r.shape(rule("slow", "latency", "to", `{"latency":"1ms"}`))
		r.shape(rule("cut", "partition", "to", ""))
		io.WriteString(c, "text")
		eventually(t, "held", func() bool { return r.evidence(ab, "cut").Bytes == 4 })
		r.unshape(first)
		if first == "slow" {
			silent(t, c)
			r.unshape("cut")
		}
		want(t, c, "text")
		r.Stop()
	}
}

// Without a controller a rule goes by itself; with one it stays.
func TestTTL(t *testing.T) {
	r := between(t, serve(t, echo))
	c := r.dial()
	ask(t, c, "x")
	cut := rule("cut", "partition", "both", "")
	cut.TTL = topology.Duration(time.Second)
	began := time.Now()
	r.shape(cut)
	io.WriteString(c, "held")
	// Renewed for half a life longer than it has without. A machine that is so
	// busy that a whole life passes between two renewals loses it rightly.
	renewed, overslept := began, false
	for time.Since(began) < cut.TTL.D()*3/2 {
		last := renewed
		renewed = time.Now()
		if err := r.Renew(t.Context()); err != nil {
			t.Fatal(err)
		}
		overslept = overslept || time.Since(last) >= cut.TTL.D()
		time.Sleep(20 * time.Millisecond) // a controller's beat, fifty to a life
	}
	live, _ := r.Rules(t.Context())
	if overslept = overslept || time.Since(renewed) >= cut.TTL.D(); len(live) != 1 && !overslept {
		t.Error("a renewed rule is gone")
	}
	want(t, c, "held") // nobody renews any more
	if lived := time.Since(renewed); lived < cut.TTL.D() && !overslept {
		t.Errorf("the rule went %v after its renewal, want not before %s", lived, cut.TTL)
	}
	if live, _ = r.Rules(t.Context()); len(live) != 0 {
		t.Errorf("the expired rule is still listed: %+v", live)
	}
}

// The state of the relay before is in place before anyone can connect.
func TestRulesOfTheConfiguration(t *testing.T) {
	r := start(t, relay.Config{
		Edges: []relay.Edge{{Link: ab, Upstream: serve(t, echo)}},
		Rules: []deploy.Rule{rule("cut", "partition", "both", "{}")},
	})
	c := r.dial()
	io.WriteString(c, "x")
	silent(t, c)
	r.unshape("cut")
	want(t, c, "x")
}

// While the callee is down its callers are refused, at the same address as
// before and after.
func TestUpstreamDown(t *testing.T) {
	r := between(t, serve(t, echo))
	address := r.link(ab).Listen
	live := r.dial()
	ask(t, live, "x")
	set := func(up bool) {
		t.Helper()
		if err := r.SetUpstream(t.Context(), "b-1", up); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		set(false)
		set(false)
		if _, err := net.Dial("tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dialling a callee that is down: %v, want refused", err)
		}
		ask(t, live, "still there")
		set(true)
		set(true)
		ask(t, dial(t, address), "x")
	}
	if err := r.SetUpstream(t.Context(), "nobody-1", false); !errors.Is(err, relay.ErrRefused) {
		t.Errorf("an unknown instance: %v, want a refusal", err)
	}
}

// A cut hides that the callee is down, as it would hide any answer.
func TestUpstreamDownBehindACut(t *testing.T) {
	r := between(t, serve(t, echo))
	address := r.link(ab).Listen
	for _, cutFirst := range []bool{true, false} {
		if cutFirst {
			r.shape(rule("cut", "partition", "both", ""))
		}
		if err := r.SetUpstream(t.Context(), "b-1", false); err != nil {
			t.Fatal(err)
		}
		if !cutFirst {
			r.shape(rule("cut", "partition", "both", ""))
		}
		c := dial(t, address)
		silent(t, c)
		r.unshape("cut")
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("after the cut: %v, want a reset", err)
		}
		if _, err := net.Dial("tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("after the cut: %v, want refused", err)
		}
		if err := r.SetUpstream(t.Context(), "b-1", true); err != nil {
			t.Fatal(err)
		}
		ask(t, dial(t, address), "x")
	}
}
