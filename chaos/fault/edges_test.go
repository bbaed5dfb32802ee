package fault_test

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

func onEdge(t *testing.T, action, args string, direction deploy.Direction) chaos.Fault {
	t.Helper()
	f, err := fault.Build(chaos.Resolved{ID: "x/1", Action: action, Links: shop().LinksOf(shop().Edges[1]), Args: chaos.RawArgs(args), Direction: direction, Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestRules(t *testing.T) {
	links := shop().LinksOf(shop().Edges[1])
	for _, c := range []struct {
		action, args string
		direction    deploy.Direction
		want         string // direction, kind, arguments
	}{
		{"latency", samples["latency"], "", `both latency {"latency":"300ms","jitter":"50ms"}`},
		{"latency", samples["latency"], deploy.From, `from latency {"latency":"300ms","jitter":"50ms"}`},
		{"partition", "", "", "both partition "},
		{"partition", "", deploy.To, "to partition "},
		{"bandwidth", samples["bandwidth"], "", `both bandwidth {"rate":"64KB/s"}`},
		{"bandwidth", `{"bandwidth":{"rate":"1mbit"}}`, deploy.From, `from bandwidth {"rate":"125KB/s"}`},
		{"blackhole", "", "", "both blackhole "},
		{"blackhole", "", deploy.From, "from blackhole "},
		{"slow_close", samples["slow_close"], deploy.To, `to slow_close {"delay":"2s"}`},
		{"dial_latency", samples["dial_latency"], "", `both dial_latency {"latency":"300ms","jitter":"50ms"}`},
		{"dns_failure", "", "", `both dns_failure {"answer":"servfail","percent":100}`},
		{"dns_failure", `{"answer":"none","percent":20}`, deploy.Both, `both dns_failure {"answer":"none","percent":20}`},
		{"dns_delay", samples["dns_delay"], "", `both dns_delay {"latency":"300ms","jitter":"50ms"}`},
		{"slicer", samples["slicer"], deploy.From, `from slicer {"average_size":64,"delay":"10ms","size_variation":0}`},
		{"limit_data", samples["limit_data"], "", `both limit_data {"bytes":4096}`},
		{"corrupt", samples["corrupt"], deploy.To, `to corrupt {"percent":5}`},
		{"abort", `{"status":"ABORTED","path":"/a.B/*"}`, "", `both abort {"path":"/a.B/*","percent":100,"status":"ABORTED"}`},
		{"abort", `{"status":503,"method":"POST","percent":20}`, "", `both abort {"method":"POST","percent":20,"status":"503"}`},
		{"delay_request", samples["delay_request"], "", `both delay_request {"delay":"300ms","percent":100}`},
		{"capacity", samples["capacity"], "", `both capacity {"concurrency":2,"percent":100,"service_time":"300ms"}`},
		{"drop_response", `{"instead":"silence"}`, "", `both drop_response {"instead":"silence","percent":100}`},
		{"duplicate_request", "", "", `both duplicate_request {"percent":100}`},
		{"reset", "", "", `both reset {"probability":1}`},
		{"reset", `{"probability":0.25}`, deploy.Both, `both reset {"probability":0.25}`},
	} {
		s := newFake()
		f := onEdge(t, c.action, c.args, c.direction)
		if err := f.Inject(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if len(s.rules) != 1 {
			t.Fatalf("%s: %d rules", c.action, len(s.rules))
		}
		r := s.rules[0]
		if got := fmt.Sprintf("%s %s %s", r.Direction, r.Kind, r.Args); got != c.want || r.ID != "x/1" || r.Seed != 7 || r.TTL < topology.Duration(time.Second) || len(r.Links) != len(links) {
			t.Errorf("%s: got %+v, want %s", c.action, r, c.want)
		}
	}
}

func TestLiftReadsBack(t *testing.T) {
	f := onEdge(t, "partition", "", "")
	s := newFake()
	if err := f.Inject(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	s.sticky = true
	if err := f.Lift(t.Context(), s); err == nil || !strings.Contains(err.Error(), "still has the rule") {
		t.Errorf("a rule that stayed: got %v", err)
	}
	for _, call := range []string{"unshape x/1", "rules"} {
		s := newFake()
		s.refuse[call] = errBroken
		if err := f.Lift(t.Context(), s); !errors.Is(err, errBroken) {
			t.Errorf("%s fails: got %v", call, err)
		}
	}
}

// The probes see what is there, not what should be.
func TestEdgeProbes(t *testing.T) {
	late := func(c net.Conn) {
		// No event is awaited: being late is what this is, by more than the 300 ms
		// that are asked for. It is a floor, which no busy machine can break.
		if _, err := c.Read(make([]byte, 64)); err == nil {
			<-time.After(400 * time.Millisecond)
			_, _ = c.Write([]byte("N"))
		}
		c.Close()
	}
	slow := `{"delay":{"latency":"300ms"}}`
	for _, c := range []struct {
		name, action, args string
		serve              func(net.Conn)
		injected           bool
		ok                 bool
	}{
		{"slow as asked", "latency", slow, late, true, true},
		{"not slow at all", "latency", `{"delay":{"latency":"1m"}}`, answers, true, false},
		{"slow all over", "latency", slow, late, true, false},
		{"still slow", "latency", slow, late, false, false},
		{"silent as asked", "partition", "", keepsSilent, true, true},
		{"silent all over", "partition", "", keepsSilent, true, false},
		{"not silent", "partition", "", answers, true, false},
		{"reset is not silence", "partition", "", resets, true, false},
		{"answers again", "partition", "", answers, false, true},
		{"taken and not answered, as asked", "blackhole", "", keepsSilent, true, true},
		{"no hole", "blackhole", "", answers, true, false},
		{"reset is no hole", "blackhole", "", resets, true, false},
		{"answers after the hole", "blackhole", "", answers, false, true},
		{"still a hole", "blackhole", "", keepsSilent, false, false},
		{"stays open as asked", "slow_close", `{"delay":"200ms"}`, staysOpen, true, true},
		{"closes at once", "slow_close", `{"delay":"1m"}`, answersToTheEnd, true, false},
		{"a reset is an end", "slow_close", `{"delay":"1m"}`, answersAndResets, true, false},
		{"closes at once again", "slow_close", `{"delay":"1m"}`, answersToTheEnd, false, true},
		{"still stays open", "slow_close", `{"delay":"200ms"}`, staysOpen, false, false},
		{"silent is not open", "slow_close", `{"delay":"200ms"}`, resets, true, false},
		{"narrow is not silent", "bandwidth", samples["bandwidth"], resets, true, false},
		{"slow all over", "dial_latency", slow, late, true, false},
		{"not slow at all", "dial_latency", slow, answers, true, false},
		{"still slow", "dial_latency", slow, late, false, false},
		{"answers at once", "dial_latency", slow, answers, false, true},
		{"reset is not slow", "slicer", samples["slicer"], resets, true, false},
		{"reset is not closed at its limit", "limit_data", samples["limit_data"], resets, true, false},
		{"silence is not closed", "limit_data", samples["limit_data"], keepsSilent, true, false},
		{"reset is not wrong", "corrupt", `{"percent":100}`, resets, true, false},
		{"silence is not wrong", "corrupt", `{"percent":100}`, keepsSilent, true, false},
		{"hung up politely is not reset", "reset", "", func(c net.Conn) { _, _ = c.Read(make([]byte, 64)); c.Close() }, true, false},
		{"reset as asked", "reset", "", resets, true, true},
		{"not reset", "reset", "", answers, true, false},
		{"reset sometimes is not never", "reset", `{"probability":0.9}`, answers, true, false},
		{"answers after resets", "reset", "", answers, false, true},
		{"still reset", "reset", "", resets, false, false},
	} {
		t.Run(c.action+"/"+c.name, func(t *testing.T) {
			t.Parallel() // most of a probe is waiting
			s := newFake()
			s.address = listen(t, c.serve)
			if !strings.HasSuffix(c.name, "all over") { // past the relay nothing is wrong
				s.own = listen(t, answers)
			}
			saw, err := onEdge(t, c.action, c.args, "").(chaos.Prober).Probe(t.Context(), s, c.injected)
			if (err == nil) != c.ok {
				t.Errorf("saw %q, %v", saw, err)
			}
			if c.ok && saw == "" {
				t.Error("it does not say what it saw")
			}
		})
	}
}

func TestProbeWithoutAnAddress(t *testing.T) {
	for _, k := range fault.Kinds() {
		if k.On != "edges" {
			continue
		}
		for _, injected := range []bool{true, false} {
			if saw, err := onEdge(t, k.Name, samples[k.Name], "").(chaos.Prober).Probe(t.Context(), newFake(), injected); err == nil {
				t.Errorf("%s (injected %t): saw %q where nobody is", k.Name, injected, saw)
			}
		}
	}
}

func TestMetByCallsOverTheLinks(t *testing.T) {
	at := time.Now()
	span := func(from, to string, took time.Duration, failed bool) collector.Span {
		return collector.Span{Instance: from, PeerInstance: to, Start: at, End: at.Add(took), Error: failed}
	}
	for _, c := range []struct {
		action string
		span   collector.Span
		met    bool
	}{
		{"partition", span("front-1", "back-1", time.Second, true), true},
		{"partition", span("front-1", "back-2", 0, false), false},
		{"partition", span("back-1", "front-1", 0, true), false},
		{"partition", span("back-1", "db-1", 0, true), false},
		{"reset", span("front-1", "back-2", 0, true), true},
		{"reset", span("front-1", "back-2", 0, false), false},
		{"blackhole", span("front-1", "back-1", time.Second, true), true},
		{"blackhole", span("front-1", "back-1", time.Second, false), false},
		{"blackhole", span("back-1", "db-1", time.Second, true), false},
		{"bandwidth", span("front-1", "back-1", 23*time.Millisecond, false), true}, // 1460 bytes at 64 KB/s
		{"bandwidth", span("front-1", "back-1", 22*time.Millisecond, false), false},
		{"bandwidth", span("front-1", "back-1", 0, true), true},
		{"bandwidth", span("back-1", "db-1", time.Second, true), false},
		{"dial_latency", span("front-1", "back-1", 250*time.Millisecond, false), true}, // 300 ms less 50 ms of jitter
		{"dial_latency", span("front-1", "back-1", 249*time.Millisecond, false), false},
		{"dial_latency", span("front-1", "back-1", 0, true), true},
		{"dial_latency", span("back-1", "db-1", time.Second, true), false},
		{"dns_delay", span("front-1", "back-1", 250*time.Millisecond, false), true}, // 300 ms less 50 ms of jitter
		{"dns_delay", span("front-1", "back-1", 249*time.Millisecond, false), false},
		{"dns_delay", span("front-1", "back-1", 0, true), true},
		{"dns_delay", span("back-1", "db-1", time.Second, true), false},
		{"slicer", span("front-1", "back-1", 10*time.Millisecond, false), true}, // 128 bytes in 2 pieces
		{"slicer", span("front-1", "back-1", 9*time.Millisecond, false), false},
		{"slicer", span("front-1", "back-1", 0, true), true},
		{"slicer", span("back-1", "db-1", time.Second, true), false},
		{"limit_data", span("front-1", "back-1", 0, true), true},
		{"limit_data", span("front-1", "back-1", time.Second, false), false},
		{"corrupt", span("front-1", "back-1", 0, true), true},
		{"corrupt", span("front-1", "back-1", time.Second, false), false},
		{"slow_close", span("front-1", "back-1", 0, false), true},
		{"slow_close", span("back-1", "db-1", 0, true), false},
		{"latency", span("front-1", "back-1", 250*time.Millisecond, false), true}, // 300 ms less 50 ms of jitter
		{"latency", span("front-1", "back-1", 249*time.Millisecond, false), false},
		{"latency", span("front-1", "back-1", time.Millisecond, true), true},
		{"latency", span("back-1", "db-1", time.Second, true), false},
	} {
		if f := onEdge(t, c.action, samples[c.action], "").(chaos.Witnessed); f.Met(c.span) != c.met {
			t.Errorf("%s: %+v: met %t", c.action, c.span, !c.met)
		}
	}
}

// A limit that no probe can tell from the speed of real servers says so, instead
// of being taken for proven, and its lift needs no more than answers.
func TestBandwidthBeyondProof(t *testing.T) {
	s := newFake()
	s.address = listen(t, answers)
	for rate, provable := range map[string]bool{"5MB/s": true, "6MB/s": false, "1GB/s": false} {
		p := onEdge(t, "bandwidth", `{"bandwidth":{"rate":"`+rate+`"}}`, "").(chaos.Prober)
		_, err := p.Probe(t.Context(), s, true)
		if said := err != nil && strings.HasPrefix(err.Error(), "INCONCLUSIVE: a limit of "+rate+" cannot be told"); said == provable {
			t.Errorf("%s: %v", rate, err)
		}
		if saw, err := p.Probe(t.Context(), s, false); !provable && err != nil {
			t.Errorf("%s: after the lift saw %q, %v", rate, saw, err)
		}
	}
}
