package relay_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/names"
	"github.com/bedlamlab/bedlam/deploy/relay"
	"github.com/bedlamlab/bedlam/topology"
)

var (
	ad      = topology.Link{From: "a-1", To: "d-1"}
	cb      = topology.Link{From: "c-1", To: "b-1"}
	loaderA = topology.Link{From: "loader-1", To: "a-1"}
)

// asAt are the addresses that callers ask from, all of them the loopback's.
var asAt = map[string]netip.Addr{"a-1": netip.MustParseAddr("127.0.0.2"), "c-1": netip.MustParseAddr("127.0.0.3"), "stranger": netip.MustParseAddr("127.0.0.4")}

// named runs a relay that is its callers' name server, with rules from the start.
func named(t *testing.T, rules ...deploy.Rule) *rig {
	t.Helper()
	if l, err := net.Listen("tcp", asAt["a-1"].String()+":0"); err != nil {
		t.Skip("this test needs a loopback of more than one address, as Linux has it: ", err)
	} else {
		l.Close()
	}
	n := &relay.Names{Listen: "127.0.0.1:0", Callers: map[netip.Addr]string{asAt["a-1"]: "a-1", asAt["c-1"]: "c-1"}}
	c := relay.Config{Names: n, Rules: rules}
	up := serve(t, echo)
	for _, l := range []topology.Link{ab, ad, cb, loaderA} {
		c.Edges = append(c.Edges, relay.Edge{Link: l, Upstream: up})
	}
	return start(t, c)
}

// lookUp asks for callee as caller; "" is no answer within d.
func (r *rig) lookUp(caller, callee string, d time.Duration) (string, netip.Addr) {
	r.t.Helper()
	from := net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(asAt[caller], 0))}
	conn, err := from.Dial("udp", r.Names)
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(r.t.Context(), d)
	defer cancel()
	code, at, err := names.Ask(ctx, conn, callee)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		r.t.Fatal(err)
	}
	return code, at
}

// finds wants each caller to find whom it calls, but for those links.
func (r *rig) finds(code string, but ...topology.Link) {
	r.t.Helper()
	for _, l := range []topology.Link{ab, ad, cb} {
		want := names.Found
		if slices.Contains(but, l) {
			want = code
		}
		if got, at := r.lookUp(l.From, l.To, patience); got != want || want == names.Found && at.String() != "127.0.0.1" {
			r.t.Errorf("%s: got %s, %v; want %s", l, got, at, want)
		}
	}
}

// A caller finds whom it calls, and nobody else.
func TestNames(t *testing.T) {
	r := named(t)
	r.finds("")
	for _, l := range []topology.Link{{From: "a-1", To: "c-1"}, {From: "stranger", To: "b-1"}} {
		if code, _ := r.lookUp(l.From, l.To, patience); code != names.Unknown {
			t.Errorf("%s is answered with %s", l, code)
		}
	}
}

// A failure is of one link's name; connections do not notice.
func TestDNSFailure(t *testing.T) {
	for _, c := range []struct{ args, code string }{{"", names.Failed}, {`{"answer":"nxdomain"}`, names.Unknown}} {
		r := named(t)
		live := r.dial()
		ask(t, live, "before")
		r.shape(rule("r", "dns_failure", "both", c.args))
		r.finds(c.code, ab)
		ask(t, live, "during")
		ask(t, r.dial(), "during")
		if e := r.evidence(ab, "r"); !e.Live || e.Requests != 1 || e.Connections != 0 {
			t.Errorf("%s: evidence %+v", c.args, e)
		}
		if told, err := r.Touched(t.Context(), "r"); err != nil || told.Requests != 1 {
			t.Errorf("%s: told %+v, %v", c.args, told, err)
		}
		r.unshape("r")
		r.finds("")
	}
}

// Nothing is answered, until the rule goes.
func TestDNSSilence(t *testing.T) {
	r := named(t)
	r.shape(rule("r", "dns_failure", "both", `{"answer":"none"}`))
	if code, _ := r.lookUp("a-1", "b-1", 100*time.Millisecond); code != "" {
		t.Errorf("the answer is %s", code)
	}
	if code, _ := r.lookUp("c-1", "b-1", patience); code != names.Found {
		t.Errorf("of another caller, the answer is %s", code)
	}
	r.unshape("r")
	r.finds("")
}

// A share of the questions fails, the same ones each time.
func TestDNSFailureOfSome(t *testing.T) {
	const n = 60
	half := rule("r", "dns_failure", "both", `{"percent":50}`)
	var before []string
	for range 2 {
		r := named(t, half) // live from the first question
		var all []string
		failed := int64(0)
		for range n {
			code, _ := r.lookUp("a-1", "b-1", patience)
			all = append(all, code)
			if code == names.Failed {
				failed++
			}
		}
		// The seed decides: that it is neither none nor all does not change.
		if e := r.evidence(ab, "r"); failed == 0 || failed == n || e.Requests != failed {
			t.Errorf("%d of %d failed, evidence %+v", failed, n, e)
		}
		if before != nil && !slices.Equal(all, before) {
			t.Errorf("with one seed: %q, then %q", before, all)
		}
		before = all
	}
}

// Delays add up, and a failure may be late.
func TestDNSDelay(t *testing.T) {
	r := named(t)
	r.shape(rule("one", "dns_delay", "both", `{"latency":"30ms","jitter":"10ms"}`))
	r.shape(rule("two", "dns_delay", "both", `{"latency":"40ms"}`))
	r.shape(rule("three", "dns_failure", "both", ""))
	began := time.Now()
	code, _ := r.lookUp("a-1", "b-1", patience)
	if took := time.Since(began); code != names.Failed || took < 60*time.Millisecond {
		t.Errorf("after %s the answer is %s", took, code)
	}
	for _, id := range []string{"one", "two", "three"} {
		r.unshape(id)
	}
	r.finds("")
}

// Who is down refuses, whatever is wrong with its name.
func TestANameOfWhoIsDown(t *testing.T) {
	r := named(t)
	r.shape(rule("r", "dns_delay", "both", `{"latency":"1ms"}`))
	if err := r.SetUpstream(t.Context(), "b-1", false); err != nil {
		t.Fatal(err)
	}
	if c, err := net.Dial("tcp", r.link(ab).Listen); !errors.Is(err, syscall.ECONNREFUSED) {
		if err == nil {
			c.Close()
		}
		t.Errorf("got %v, want a refusal", err)
	}
	r.finds("")
}

func TestRefusalsOfNames(t *testing.T) {
	r := named(t)
	for _, c := range []struct {
		kind, args, says string
		change           func(*deploy.Rule)
	}{
		{kind: "dns_failure", args: `{"answer":"perhaps"}`, says: "perhaps"},
		{kind: "dns_failure", args: `{"percent":0}`, says: "percent"},
		{kind: "dns_failure", args: `{"percent":101}`, says: "percent"},
		{kind: "dns_failure", args: `{"latency":"1s"}`, says: "latency"},
		{kind: "dns_delay", says: "latency"},
		{kind: "dns_delay", args: `{"latency":"2m"}`, says: "1m0s"},
		{kind: "dns_delay", args: `{"latency":"1s","jitter":"2s"}`, says: "jitter"},
		{kind: "dns_failure", change: func(r *deploy.Rule) { r.Direction = deploy.To }, says: "direction must be both"},
		{kind: "dns_failure", change: func(r *deploy.Rule) { r.Toxicity = 0.5 }, says: "toxicity"},
		{kind: "dns_failure", change: func(r *deploy.Rule) { r.Established = true }, says: "established"},
		{kind: "dns_failure", change: func(r *deploy.Rule) { r.Links = []topology.Link{loaderA} }, says: "asks for no names"},
	} {
		bad := rule("r", c.kind, "both", c.args)
		if c.change != nil {
			c.change(&bad)
		}
		if err := r.Shape(t.Context(), bad); !errors.Is(err, relay.ErrRefused) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s %s: got %v, want a refusal that says %q", c.kind, c.args, err, c.says)
		}
	}
	plain := between(t, serve(t, echo))
	if err := plain.Shape(t.Context(), rule("r", "dns_failure", "both", "")); !errors.Is(err, relay.ErrRefused) || !strings.Contains(err.Error(), "no questions") {
		t.Errorf("without names: %v", err)
	}
}

// What no name server can be made of is refused before anything listens.
func TestMainRefusesNames(t *testing.T) {
	taken, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	callers := map[netip.Addr]string{asAt["a-1"]: "a-1"}
	for says, n := range map[string]relay.Names{
		"not host:port":      {Listen: "nowhere", Callers: callers},
		"nobody to answer":   {Listen: "127.0.0.1:0"},
		"an IPv4 address":    {Listen: "127.0.0.1:0", Callers: map[netip.Addr]string{netip.MustParseAddr("::1"): "a-1"}},
		"want a name":        {Listen: "127.0.0.1:0", Callers: map[netip.Addr]string{asAt["a-1"]: ""}},
		"address already in": {Listen: taken.LocalAddr().String(), Callers: callers},
	} {
		c, err := json.Marshal(relay.Config{Control: "127.0.0.1:0", Token: strings.Repeat("x", 16), Names: &n,
			Edges: []relay.Edge{{Link: ab, Protocol: topology.GRPC, Listen: "127.0.0.1:0", Upstream: "127.0.0.1:1"}}})
		if err != nil {
			t.Fatal(err)
		}
		var ready strings.Builder
		if err := relay.Main(t.Context(), strings.NewReader(string(c)), &ready); err == nil || !strings.Contains(err.Error(), says) || ready.Len() > 0 {
			t.Errorf("want %q, got %v, %q", says, err, ready.String())
		}
	}
}
