package fault_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// routes are the kinds that harm requests.
func routes(t *testing.T) []fault.Kind {
	t.Helper()
	var all []fault.Kind
	for _, k := range fault.Kinds() {
		if k.Requests {
			all = append(all, k)
		}
	}
	if len(all) < 4 {
		t.Fatalf("%d kinds harm requests", len(all))
	}
	return all
}

// fitsEdge asks whether a harm is for an edge of the small system that speaks p.
func fitsEdge(action, args string, p topology.Protocol) error {
	at := slices.IndexFunc(shop().Edges, func(e topology.Edge) bool { return e.Protocol == p })
	return fault.Fit(chaos.Resolved{Action: action, Args: chaos.RawArgs(args), Links: shop().LinksOf(shop().Edges[at])}, shop())
}

// What a protocol has not got is refused before a run, and by the relay too.
func TestNoRequestsOfSQL(t *testing.T) {
	s := newFake()
	for _, k := range routes(t) {
		if err := fitsEdge(k.Name, samples[k.Name], topology.Postgres); err == nil || !strings.HasPrefix(err.Error(), "an edge of postgres has no requests") {
			t.Errorf("%s: got %v", k.Name, err)
		}
		for _, p := range []topology.Protocol{topology.HTTP, topology.GRPC} {
			if err := fitsEdge(k.Name, samples[k.Name], p); err != nil {
				t.Errorf("%s on %s: %v", k.Name, p, err)
			}
		}
		r := sample(k)
		r.Links = shop().LinksOf(shop().Edges[2])
		f, err := fault.Build(r)
		if err != nil {
			t.Fatal(err)
		}
		if saw, err := f.(chaos.Prober).Probe(t.Context(), s, true); err == nil {
			t.Errorf("%s: saw %q", k.Name, saw)
		}
		if err := fault.Supported(r, s); err == nil {
			t.Errorf("%s: supported on an edge of postgres", k.Name)
		}
	}
	for _, c := range []struct{ action, args, want string }{
		{"abort", `{"status":503}`, "status 503 is not one of grpc"},
		{"drop_response", `{"instead":502}`, "status 502 is not one of grpc"},
	} {
		if err := fitsEdge(c.action, c.args, topology.GRPC); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: got %v", c.action, c.args, err)
		}
		if err := fitsEdge(c.action, c.args, topology.HTTP); err != nil {
			t.Error(err)
		}
	}
	if err := fitsEdge("latency", samples["latency"], topology.Postgres); err != nil {
		t.Errorf("bytes are bytes: %v", err)
	}
}

func TestAware(t *testing.T) {
	r := func(action string, edge int) chaos.Resolved {
		return chaos.Resolved{Action: action, Links: shop().LinksOf(shop().Edges[edge])}
	}
	s := chaos.Schedule{Experiments: []chaos.ScheduledExperiment{
		{Faults: []chaos.Resolved{r("latency", 0), r("abort", 1)}},
		{Faults: []chaos.Resolved{r("duplicate_request", 1), r("kill", 0)}},
	}}
	got, err := json.Marshal(fault.Aware(s))
	want, _ := json.Marshal(shop().LinksOf(shop().Edges[1]))
	if err != nil || string(got) != string(want) {
		t.Errorf("got %s, want %s once", got, want)
	}
}

// A teller is a fake that tells of some requests.
type teller struct {
	*fake
	told deploy.Touched
	err  error
}

func (t teller) Touched(context.Context, string) (deploy.Touched, error) { return t.told, t.err }

// What has met a fault is inferred from spans until it is told exactly.
func TestMetByRequests(t *testing.T) {
	at := time.Now()
	id := collector.TraceID{1, 2, 3}
	other := collector.TraceID{4}
	span := func(trace collector.TraceID, name, code string, took time.Duration) collector.Span {
		return collector.Span{Trace: trace, Instance: "front-1", PeerInstance: "back-1", Name: name, Code: code,
			Error: code != "OK", Start: at, End: at.Add(took)}
	}
	const route = `"path":"/back.v1.Back/Do"`
	for _, c := range []struct {
		action, args string
		yes, no      collector.Span
	}{
		{"abort", `{` + route + `}`, span(id, "back.v1.Back/Do", "UNAVAILABLE", 0), span(id, "back.v1.Back/Do", "OK", 0)},
		{"abort", `{` + route + `,"status":"NOT_FOUND"}`, span(id, "back.v1.Back/Do", "NOT_FOUND", 0), span(id, "back.v1.Back/Else", "NOT_FOUND", 0)},
		{"abort", `{"status":503}`, span(id, "checkout", "503", 0), span(id, "checkout", "500", 0)},
		{"capacity", `{` + route + `,"concurrency":4,"service_time":"300ms"}`, span(id, "back.v1.Back/Do", "OK", 300*time.Millisecond), span(id, "back.v1.Back/Do", "OK", 299*time.Millisecond)},
		{"delay_request", `{` + route + `,"delay":"300ms"}`, span(id, "back.v1.Back/Do", "OK", 300*time.Millisecond), span(id, "back.v1.Back/Do", "OK", 299*time.Millisecond)},
		{"drop_response", `{` + route + `}`, span(id, "back.v1.Back/Do", "INTERNAL", 0), span(id, "back.v1.Back/Do", "OK", 0)},
		{"drop_response", `{` + route + `,"instead":"UNAVAILABLE"}`, span(id, "back.v1.Back/Do", "UNAVAILABLE", 0), span(id, "back.v1.Back/Do", "INTERNAL", 0)},
		{"duplicate_request", `{` + route + `}`, span(id, "back.v1.Back/Do", "OK", 0), span(id, "back.v1.Back/Else", "OK", 0)},
	} {
		f := onEdge(t, c.action, c.args, "").(chaos.Accountant)
		if !f.Met(c.yes) || f.Met(c.no) {
			t.Errorf("%s %s: inferred: %t and %t", c.action, c.args, f.Met(c.yes), f.Met(c.no))
		}
		account, err := f.Account(t.Context(), teller{fake: newFake(), told: deploy.Touched{Requests: 2, Traces: []string{id.String()}}})
		if err != nil {
			t.Fatal(err)
		}
		again := onEdge(t, c.action, c.args, "").(chaos.Accountant) // as the judge builds it
		if err := again.Recall(account); err != nil {
			t.Fatal(err)
		}
		stranger := c.yes
		stranger.Trace = other
		ok := c.yes
		ok.Code, ok.Error, ok.End = "OK", false, at
		if !again.Met(c.yes) || !again.Met(ok) || again.Met(stranger) {
			t.Errorf("%s %s: told: %t, %t, and of another trace %t", c.action, c.args, again.Met(c.yes), again.Met(ok), again.Met(stranger))
		}
	}
	f := onEdge(t, "abort", "", "").(chaos.Accountant)
	if _, err := f.Account(t.Context(), teller{fake: newFake(), err: errBroken}); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
	if _, err := f.Account(t.Context(), &bare{}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
	if err := f.Recall("nonsense"); err == nil {
		t.Error("nonsense is taken for trace ids")
	}
	if err := f.Recall(""); err != nil || f.Met(span(id, "", "UNAVAILABLE", 0)) {
		t.Errorf("nobody met it, it was said: %v", err)
	}
}

// A probe is not taken in by a callee that fails, is slow or is silent by itself.
func TestRequestProbesWantTheLinkToBeGuilty(t *testing.T) {
	guilty := map[string]http.HandlerFunc{
		"abort": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			w.Write([]byte("aborted on the way by x/1"))
		},
		"delay_request": func(http.ResponseWriter, *http.Request) {
			// Being late is what this is; a floor, which no busy machine breaks.
			<-time.After(120 * time.Millisecond)
		},
		"capacity": func(http.ResponseWriter, *http.Request) {
			<-time.After(120 * time.Millisecond)
		},
		"drop_response": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	}
	args := map[string]string{"capacity": `{"concurrency":1,"service_time":"100ms"}`, "delay_request": `{"delay":"100ms"}`, "drop_response": `{"instead":502}`}
	for action, harm := range guilty {
		s := newFake()
		server := httptest.NewServer(harm)
		t.Cleanup(server.Close)
		s.address = server.Listener.Addr().String()
		f, err := fault.Build(chaos.Resolved{ID: "x/1", Action: action, Links: shop().LinksOf(shop().Edges[0]), Args: chaos.RawArgs(args[action])})
		if err != nil {
			t.Fatal(err)
		}
		if saw, err := f.(chaos.Prober).Probe(t.Context(), s, true); err == nil {
			t.Errorf("%s: saw %q although past the relay it is the same", action, saw)
		}
	}
}

// What a bottleneck lets through is stated: its places over the service time, on
// each of its links.
func TestCapacityIsStated(t *testing.T) {
	links := shop().LinksOf(shop().Edges[1])
	f, err := fault.Build(chaos.Resolved{ID: "x/1", Action: "capacity", Links: links, Args: chaos.RawArgs(`{"concurrency":3,"service_time":"50ms"}`)})
	if err != nil {
		t.Fatal(err)
	}
	if c, want := f.(chaos.Bottleneck).Capacity(), float64(60*len(links)); c != want {
		t.Errorf("%v a second over %d links, want %v", c, len(links), want)
	}
}
