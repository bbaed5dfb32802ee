package fault_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/postgres"
	"github.com/bedlamlab/bedlam/deploy/relay"
	"github.com/bedlamlab/bedlam/deploy/relay/relaytest"
	"github.com/bedlamlab/bedlam/topology"
)

// relayed is the small system with real servers behind a real relay.
type relayed struct {
	bare
	*relay.Client
	own   map[string]string        // by callee
	links map[topology.Link]string // where the relay listens
	store postgres.Options         // zero: there is none
}

func (r *relayed) Address(caller, callee string) (string, error) {
	address, ok := r.own[callee]
	if caller != "" {
		address, ok = r.links[topology.Link{From: caller, To: callee}]
	}
	if !ok {
		return "", fmt.Errorf("nobody is at %s for %s", callee, caller)
	}
	return address, nil
}

func (r *relayed) DSN(_, role string) (string, error) { return postgres.DSN(r.store, role), nil }

// relayedShop starts the servers, PostgreSQL if there is one, and the relay.
func relayedShop(t *testing.T) *relayed {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }))
	t.Cleanup(web.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	rpc := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(rpc, health.NewServer())
	go func() { _ = rpc.Serve(l) }()
	t.Cleanup(rpc.Stop)
	r := &relayed{own: map[string]string{"front-1": web.Listener.Addr().String(), "back-1": l.Addr().String()}, links: map[topology.Link]string{}}
	r.startStore(t)

	var config relay.Config
	for link, protocol := range map[topology.Link]topology.Protocol{
		{From: topology.Loader + "-1", To: "front-1"}: topology.HTTP,
		{From: "front-1", To: "back-1"}:               topology.GRPC,
		{From: "back-1", To: "db-1"}:                  topology.Postgres,
	} {
		if own, ok := r.own[link.To]; ok {
			config.Edges = append(config.Edges, relay.Edge{Link: link, Protocol: protocol, Upstream: own})
		}
	}
	r.Client = relaytest.Start(t, config).Client
	stats, err := r.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stats {
		r.links[s.Link] = s.Listen
	}
	return r
}

// startStore starts a PostgreSQL for db-1 if this machine has one.
func (r *relayed) startStore(t *testing.T) {
	t.Helper()
	o, err := server(t)
	if err != nil {
		t.Logf("without edges to a store, there is no PostgreSQL: %v", err)
		return
	}
	r.store, r.own["db-1"] = o, net.JoinHostPort("127.0.0.1", strconv.Itoa(o.Port))
}

// Behind a real relay, with a server of each protocol, the probe of every fault
// on edges sees it when it is there, and only then.
func TestProbesSeeTheRelay(t *testing.T) {
	s := relayedShop(t)
	faults := map[string][]string{ // parameters to try
		"corrupt":      {`{"percent":4}`, `{"percent":100}`},
		"dial_latency": {`{"delay":{"latency":"150ms"}}`},
		"limit_data":   {`{"bytes":50}`, `{"bytes":20000}`},
		"slicer":       {`{"average_size":200,"size_variation":100,"delay":"10ms"}`},
		"bandwidth":    {`{"bandwidth":{"rate":"40KB/s"}}`, `{"bandwidth":{"rate":"4mbit"}}`},
		"blackhole":    {""},
		"latency":      {`{"delay":{"latency":"150ms"}}`},
		"partition":    {""},
		"reset":        {""},
		"slow_close":   {`{"delay":"400ms"}`},
		// A share of the requests is seen too; 60 in a hundred take eight at most.
		"abort":             {"", `{"percent":60,"path":"/a/*"}`},
		"delay_request":     {`{"delay":"150ms"}`},
		"capacity":          {`{"concurrency":1,"service_time":"150ms"}`},
		"drop_response":     {"", `{"instead":"silence","path":"/a/b"}`},
		"duplicate_request": {"", `{"percent":60}`},
	}
	for link := range s.links {
		t.Run(link.String(), func(t *testing.T) {
			t.Parallel() // the links do not meet, and most of a probe is waiting
			for _, k := range fault.Kinds() {
				if k.On != "edges" || fault.Names(k.Name) { // names are looked up elsewhere: see TestNamesAreHarmed
					continue
				}
				if len(faults[k.Name]) == 0 {
					t.Errorf("%s is not tried", k.Name)
				}
				for _, args := range faults[k.Name] {
					for _, d := range []deploy.Direction{deploy.Both, deploy.To, deploy.From} {
						if (k.Name == "reset" || k.Name == "dial_latency" || k.Requests) && d != deploy.Both {
							continue
						}
						if k.Requests && link.To == "db-1" {
							continue // the relay refuses it: see TestNoRequestsOfSQL
						}
						r := chaos.Resolved{ID: "x/" + link.String(), Action: k.Name, Links: []topology.Link{link}, Args: chaos.RawArgs(args), Direction: d}
						t.Run(fmt.Sprintf("%s%s/%s", k.Name, args, d), func(t *testing.T) { comesAndGoes(t, s, r) })
					}
				}
			}
		})
	}
}

// A share of the connections is seen as well as all of them, and not taken for
// gone because some are not harmed. The cases are dealt to the links, which do
// not meet.
func TestProbesSeeAShareOfTheConnections(t *testing.T) {
	s := relayedShop(t)
	cases := []struct{ action, args string }{
		{"latency", `{"delay":{"latency":"500ms"},"toxicity":0.5}`},
		{"partition", `{"toxicity":0.3}`},
		{"reset", `{"toxicity":0.2,"probability":0.5}`},
		{"corrupt", `{"percent":50,"toxicity":0.4}`},
		{"limit_data", `{"bytes":50,"toxicity":0.5}`},
		{"dial_latency", `{"delay":{"latency":"500ms"},"toxicity":0.5}`},
		{"slow_close", `{"delay":"400ms","toxicity":0.05}`},
		{"abort", `{"percent":60,"toxicity":0.5}`},
		{"duplicate_request", `{"percent":60,"toxicity":0.5}`},
	}
	links := []topology.Link{{From: topology.Loader + "-1", To: "front-1"}, {From: "front-1", To: "back-1"}}
	for i, link := range links {
		t.Run(link.String(), func(t *testing.T) {
			t.Parallel()
			for j, c := range cases {
				if j%len(links) == i {
					r := chaos.Resolved{ID: "x/" + link.String(), Action: c.action, Links: []topology.Link{link}, Args: chaos.RawArgs(c.args), Seed: 7}
					t.Run(c.action+c.args, func(t *testing.T) { comesAndGoes(t, s, r) })
				}
			}
		})
	}
}

// The share is the rule's, of every fault on edges, and one that no probe could
// see is refused.
func TestEveryFaultOnEdgesTakesAShare(t *testing.T) {
	for _, k := range fault.Kinds() {
		if k.On != "edges" || strings.HasPrefix(k.Name, "dns_") { // a question has no connection
			continue
		}
		var args map[string]any
		if text := samples[k.Name]; text != "" {
			if err := json.Unmarshal([]byte(text), &args); err != nil {
				t.Fatal(err)
			}
		} else {
			args = map[string]any{}
		}
		with := func(toxicity any) chaos.Resolved {
			args["toxicity"] = toxicity
			b, err := json.Marshal(args)
			if err != nil {
				t.Fatal(err)
			}
			r := sample(k)
			r.Args = b
			return r
		}
		for _, wrong := range []any{0, -0.5, 1.5, 0.04, "half"} {
			if _, err := fault.Build(with(wrong)); err == nil || !strings.Contains(err.Error(), "toxicity") {
				t.Errorf("%s: toxicity %v: %v", k.Name, wrong, err)
			}
		}
		f, err := fault.Build(with(0.25))
		if err != nil {
			t.Error(err)
			continue
		}
		s := newFake()
		if err := f.Inject(t.Context(), s); err != nil || len(s.rules) != 1 {
			t.Errorf("%s: %v, %v", k.Name, err, s.rules)
			continue
		}
		for _, rule := range s.rules {
			if rule.Toxicity != 0.25 || strings.Contains(string(rule.Args), "toxicity") {
				t.Errorf("%s: its rule is %+v", k.Name, rule)
			}
		}
	}
}

// comesAndGoes wants a fault's probe to see it neither before it is there, nor
// gone while it is, nor there after it was lifted.
func comesAndGoes(t *testing.T, s deploy.System, r chaos.Resolved) {
	f, err := fault.Build(r)
	if err != nil {
		t.Fatal(err)
	}
	p := f.(chaos.Prober)
	if saw, err := p.Probe(t.Context(), s, true); err == nil {
		t.Errorf("it is seen before it is there: %s", saw)
	}
	if err := f.Inject(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	looks(t, p, s, true)
	if r.Direction == deploy.Both { // waiting for an answer in vain takes seconds
		if saw, err := p.Probe(t.Context(), s, false); err == nil {
			t.Errorf("it is seen to be gone while it is there: %s", saw)
		}
	}
	if err := f.Lift(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	looks(t, p, s, false)
}

// looks asks the probe until it sees what is there, as the runner does: on a
// busy machine it may be unable to tell at first.
func looks(t *testing.T, p chaos.Prober, s deploy.System, injected bool) {
	t.Helper()
	const patience = 30 * time.Second // many times the runner's own
	for until := time.Now().Add(patience); ; {
		saw, err := p.Probe(t.Context(), s, injected)
		if err == nil {
			t.Log(saw)
			return
		}
		if time.Now().After(until) {
			t.Errorf("injected %t is not seen: %v", injected, err)
			return
		}
		t.Logf("not yet: %v", err)
	}
}
