package fault_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/names"
	"github.com/bedlamlab/bedlam/deploy/relay"
	"github.com/bedlamlab/bedlam/deploy/relay/relaytest"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// named is the small system on a real relay that is its name server, which
// knows callers by addresses of the loopback.
type named struct {
	bare
	*relay.Client
	server  string
	callers map[string]netip.Addr
}

func (n *named) LookUp(ctx context.Context, caller, callee string, times int, patience time.Duration) ([]deploy.Answer, error) {
	from := net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(n.callers[caller], 0))}
	return names.Repeat(ctx, times, patience, func(ctx context.Context) (string, error) {
		conn, err := from.DialContext(ctx, "udp", n.server)
		if err != nil {
			return "", err
		}
		defer conn.Close()
		code, _, err := names.Ask(ctx, conn, callee)
		return code, err
	})
}

func namedShop(t *testing.T) *named {
	t.Helper()
	if l, err := net.Listen("tcp", "127.0.0.2:0"); err != nil {
		t.Skip("this test needs a loopback of more than one address, as Linux has it: ", err)
	} else {
		l.Close()
	}
	s := &named{callers: map[string]netip.Addr{}}
	config := relay.Config{Names: &relay.Names{Listen: "127.0.0.1:0", Callers: map[netip.Addr]string{}}}
	for i, in := range shop().Instances() {
		at := netip.AddrFrom4([4]byte{127, 0, 0, byte(2 + i)})
		s.callers[in.Name], config.Names.Callers[at] = at, in.Name
	}
	for _, l := range shop().Links() { // nobody is behind them, and nobody goes there
		config.Edges = append(config.Edges, relay.Edge{Link: l, Upstream: "127.0.0.1:1"})
	}
	r := relaytest.Start(t, config)
	s.Client, s.server = r.Client, r.Names
	return s
}

// Behind a real name server, the probes see the harm when it is there, and only
// then.
func TestNamesAreHarmed(t *testing.T) {
	s := namedShop(t)
	for i, c := range []struct{ action, args string }{
		{"dns_failure", ""},
		{"dns_failure", `{"answer":"nxdomain"}`},
		{"dns_failure", `{"answer":"none"}`},
		{"dns_failure", `{"percent":40}`},
		{"dns_failure", `{"answer":"none","percent":20}`},
		{"dns_delay", `{"delay":{"latency":"150ms","jitter":"20ms"}}`},
	} {
		r := chaos.Resolved{ID: fmt.Sprintf("x/%d", i), Action: c.action, Links: []topology.Link{{From: "front-1", To: "back-1"}},
			Args: chaos.RawArgs(c.args), Direction: "both", Seed: 7}
		t.Run(c.action+c.args, func(t *testing.T) {
			if err := fault.Supported(r, s); err != nil {
				t.Error(err)
			}
			comesAndGoes(t, s, r)
		})
	}
}

// A probe that cannot tell says so, and does not take one harm for another.
func TestNamesThatAreNotHarmedSo(t *testing.T) {
	harmed := func(callee string) bool { return strings.HasPrefix(callee, "back-") } // and the store is not
	says := func(code string) func(context.Context) (string, error) {
		return func(context.Context) (string, error) { return code, nil }
	}
	silent := func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }
	late := func(d time.Duration) func(context.Context) (string, error) {
		return func(ctx context.Context) (string, error) {
			select {
			case <-time.After(d):
				return names.Found, nil
			case <-ctx.Done():
				return "", ctx.Err()
			}
		}
	}
	broken := func(context.Context) (string, error) { return "", errBroken }
	// alternately is first, then second, and so on.
	alternately := func(first, second func(context.Context) (string, error)) func(context.Context) (string, error) {
		var turn atomic.Int64
		return func(ctx context.Context) (string, error) {
			if turn.Add(1)%2 == 1 {
				return first(ctx)
			}
			return second(ctx)
		}
	}
	half := alternately(says(names.Failed), says(names.Found))
	const delay = `{"delay":{"latency":"100ms"}}`
	for what, c := range map[string]struct {
		action, args string
		victim       func(context.Context) (string, error)
		control      func(context.Context) (string, error)
		injected     bool
		want         string // in the error; empty: there is none
	}{
		"as asked":                 {"dns_failure", "", says(names.Failed), says(names.Found), true, ""},
		"some as asked":            {"dns_failure", `{"percent":50}`, half, says(names.Found), true, ""},
		"all for some":             {"dns_failure", `{"percent":50}`, says(names.Failed), says(names.Found), true, "50 of 50 questions get SERVFAIL, want 50 %"},
		"some for all":             {"dns_failure", "", says(names.Found), says(names.Found), true, "0 of 1 questions get SERVFAIL"},
		"nobody is found":          {"dns_failure", "", says(names.Failed), says(names.Failed), true, "cannot be told"},
		"nobody is answered":       {"dns_failure", `{"answer":"none"}`, silent, silent, true, "cannot be told"},
		"silence as asked":         {"dns_failure", `{"answer":"none"}`, silent, says(names.Found), true, ""},
		"silence is not a failure": {"dns_failure", "", silent, says(names.Found), true, "the answers are 1 no answer"},
		"another code":             {"dns_failure", `{"answer":"nxdomain"}`, says(names.Failed), says(names.Found), true, "the answers are 1 SERVFAIL"},
		"no name server":           {"dns_failure", "", broken, says(names.Found), true, "broken"},
		"no name server at all":    {"dns_failure", "", says(names.Failed), broken, true, "broken"},
		"still failing":            {"dns_failure", "", says(names.Failed), says(names.Found), false, "1 of 1 questions still get SERVFAIL"},
		"well again":               {"dns_failure", "", says(names.Found), says(names.Found), false, ""},
		"late as asked":            {"dns_delay", delay, late(110 * time.Millisecond), says(names.Found), true, ""},
		"never is late":            {"dns_delay", delay, silent, says(names.Found), true, ""},
		"at once is not late":      {"dns_delay", delay, says(names.Found), says(names.Found), true, "answered after"},
		"everybody is late":        {"dns_delay", delay, late(110 * time.Millisecond), late(110 * time.Millisecond), true, "cannot be told"},
		"a failure is not late":    {"dns_delay", delay, says(names.Failed), says(names.Found), true, "the answer is SERVFAIL"},
		"nobody to be late":        {"dns_delay", delay, broken, says(names.Found), true, "broken"},
		"nobody beside it":         {"dns_delay", delay, says(names.Found), broken, true, "broken"},
		"still late":               {"dns_delay", delay, late(110 * time.Millisecond), says(names.Found), false, "still takes"},
		"in time again":            {"dns_delay", delay, says(names.Found), says(names.Found), false, ""},
		"a second look is in time": {"dns_delay", delay, alternately(late(110*time.Millisecond), says(names.Found)), says(names.Found), false, ""},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel() // most of a probe is waiting
			s := newFake()
			s.lookUp = func(ctx context.Context, _, callee string) (string, error) {
				if harmed(callee) {
					return c.victim(ctx)
				}
				return c.control(ctx)
			}
			saw, err := onEdge(t, c.action, c.args, "").(chaos.Prober).Probe(t.Context(), s, c.injected)
			if c.want == "" && (err != nil || saw == "") || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("saw %q, %v; want %q", saw, err, c.want)
			}
		})
	}
}

// Where every name is harmed, that there is no name of the caller's own for
// itself is an answer to compare with, unless that is the harm.
func TestEveryName(t *testing.T) {
	var all []topology.Link
	for _, l := range shop().Links() {
		if l.From != "loader-1" {
			all = append(all, l)
		}
	}
	for _, c := range []struct {
		args, links, own string // what is answered for links, and for the caller's own name
		seen             bool
	}{
		{"", names.Failed, names.Unknown, true},
		{"", names.Failed, names.Failed, false},
		{`{"answer":"nxdomain"}`, names.Unknown, names.Unknown, false},
	} {
		s := newFake()
		s.lookUp = func(_ context.Context, caller, callee string) (string, error) {
			if caller == callee {
				return c.own, nil
			}
			return c.links, nil
		}
		f, err := fault.Build(chaos.Resolved{ID: "x/1", Action: "dns_failure", Links: all, Args: chaos.RawArgs(c.args)})
		if err != nil {
			t.Fatal(err)
		}
		if saw, err := f.(chaos.Prober).Probe(t.Context(), s, true); (err == nil) != c.seen || err != nil && !strings.Contains(err.Error(), "cannot be told") {
			t.Errorf("%+v: saw %q, %v", c, saw, err)
		}
	}
}

// What another harm meets is no control, and the next one is asked.
func TestControlsBesideAnotherHarm(t *testing.T) {
	s := newFake()
	s.lookUp = func(_ context.Context, caller, _ string) (string, error) {
		if caller == "front-1" {
			return names.Failed, nil
		}
		return names.Found, nil
	}
	f, err := fault.Build(chaos.Resolved{ID: "x/1", Action: "dns_failure", Links: shop().LinksOf(shop().Edges[1])[:1]})
	if err != nil {
		t.Fatal(err)
	}
	if saw, err := f.(chaos.Prober).Probe(t.Context(), s, true); err != nil {
		t.Errorf("saw %q, %v", saw, err)
	}
}

// Customers look no name up, and an experiment that would have them do is refused.
func TestNamesOfCustomers(t *testing.T) {
	links := shop().LinksOf(shop().Edges[0])
	for _, action := range []string{"dns_failure", "dns_delay"} {
		err := fault.Fit(chaos.Resolved{Action: action, Args: chaos.RawArgs(samples[action]), Links: links}, shop())
		if err == nil || !strings.Contains(err.Error(), "loader-1 asks for no names") {
			t.Errorf("%s: %v", action, err)
		}
		if !fault.Names(action) || !fault.Isolates(action) {
			t.Errorf("%s does not want names, or no isolation", action)
		}
	}
	if fault.Names("latency") || fault.Isolates("latency") {
		t.Error("latency wants names")
	}
	s := struct{ *bare }{&bare{}}
	if err := fault.Supported(chaos.Resolved{ID: "x/1", Action: "dns_failure", Links: links}, s); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("without names: %v", err)
	}
}

// A call has met a failure if its error says that it is for want of the
// address; where nobody answers, an error cannot.
func TestMetByWhoFindsNobody(t *testing.T) {
	const lookup = "dial tcp: lookup back-1.internal on 10.1.2.1:53: server misbehaving"
	for _, c := range []struct {
		args, from, to, message string
		failed, met             bool
	}{
		{"", "front-1", "back-1", lookup, true, true},
		{"", "front-1", "back-1", "connection refused", true, false},
		{"", "front-1", "back-2", lookup, true, false}, // of another one
		{"", "back-1", "db-1", "lookup db-1.internal", true, false},
		{"", "front-1", "back-1", lookup, false, false},
		{`{"answer":"none"}`, "front-1", "back-1", "context deadline exceeded", true, true},
		{`{"answer":"none"}`, "front-1", "back-1", "", false, false},
		{`{"answer":"none"}`, "back-1", "db-1", "context deadline exceeded", true, false},
	} {
		span := collector.Span{Instance: c.from, PeerInstance: c.to, Message: c.message, Error: c.failed}
		if f := onEdge(t, "dns_failure", c.args, "").(chaos.Witnessed); f.Met(span) != c.met {
			t.Errorf("%+v: met %t", c, !c.met)
		}
	}
}
