package fault_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/observability/collector"
)

func init() {
	for action, args := range map[string]string{
		"clock_skew": `{"skew":"-1h"}`, "cpu_hog": `{"workers":2}`, "cpu_quota": `{"cpus":0.1}`,
		"file_descriptors": `{"spare":2}`, "memory_balloon": `{"memory":"60"}`,
	} {
		samples[action] = args
	}
}

func TestBadResources(t *testing.T) {
	for _, c := range []struct{ action, args, want string }{
		{"cpu_quota", ``, "cpus must be between 0.01 and 0.5"},
		{"cpu_quota", `{"cpus":1}`, "cpus must be"},
		{"cpu_hog", ``, "workers must be between 1 and 64"},
		{"memory_balloon", ``, "memory must be between 1 and 98 percent of the limit"},
		{"memory_balloon", `{"memory":"64MB"}`, `"64MB" is not a percentage`},
		{"file_descriptors", `{"spare":-1}`, "spare must be between 0 and 1000"},
		{"clock_skew", ``, "skew is missing: how far the clock is ahead, such as 1h or -90s"},
		{"clock_skew", `{"skew":"1s"}`, "skew must be between 5s and 87600h0m0s, either way"},
		{"clock_skew", `{"skew":3600}`, "cannot unmarshal"},
	} {
		_, err := fault.Build(chaos.Resolved{ID: "x/1", Action: c.action, Instances: []string{"back-1"}, Args: chaos.RawArgs(c.args)})
		if err == nil || !strings.HasPrefix(err.Error(), c.action+": ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: got %v, want %s", c.action, c.args, err, c.want)
		}
	}
}

func TestResourcesMet(t *testing.T) {
	call := func(from, to string, took time.Duration, failed bool) collector.Span {
		begin := time.Unix(1, 0)
		return collector.Span{Instance: from, PeerInstance: to, Start: begin, End: begin.Add(took), Error: failed}
	}
	const ms = time.Millisecond
	for _, c := range []struct {
		action string
		span   collector.Span
		met    bool
	}{
		{"cpu_quota", call("front-1", "back-1", 45*ms, false), true},
		{"cpu_quota", call("front-1", "back-1", 44*ms, false), false},
		{"cpu_quota", call("back-1", "db-1", 50*ms, false), true}, // it stands still while it is answered
		{"cpu_quota", call("front-1", "back-2", 50*ms, true), false},
		{"cpu_quota", call("front-1", "back-1", ms, true), true},
		{"file_descriptors", call("front-1", "back-1", ms, true), true},
		{"file_descriptors", call("back-1", "db-1", ms, true), true},
		{"file_descriptors", call("front-1", "back-1", time.Second, false), false},
		{"file_descriptors", call("front-1", "back-2", ms, true), false},
		{"cpu_hog", call("front-1", "back-1", ms, false), true},
		{"cpu_hog", call("back-1", "db-1", ms, false), false},
		{"memory_balloon", call("front-1", "back-1", ms, false), true},
		{"memory_balloon", call("front-1", "back-2", ms, false), false},
		{"clock_skew", call("front-1", "back-1", ms, false), true},
		{"clock_skew", call("front-1", "", ms, false), false},
	} {
		w := built(t, c.action, samples[c.action], "back-1").(chaos.Witnessed)
		if got := w.Met(c.span); got != c.met {
			t.Errorf("%s: %s to %s in %s, failed %t: met %t", c.action, c.span.Instance, c.span.PeerInstance, c.span.Duration(), c.span.Error, got)
		}
	}
}

// What the kernel does not show is not proven, whatever else is seen.
func TestResourcesAreReadBack(t *testing.T) {
	for _, action := range []string{"clock_skew", "cpu_hog", "cpu_quota", "file_descriptors", "memory_balloon"} {
		s := newFake()
		p := built(t, action, samples[action], "back-1").(chaos.Prober)
		if saw, err := p.Probe(t.Context(), s, true); err == nil || !strings.Contains(err.Error(), "the kernel does not show it") {
			t.Errorf("%s: the probe saw %q, %v", action, saw, err)
		}
		s.refuse["impairments of x/1"] = errBroken
		if saw, err := p.Probe(t.Context(), s, true); !errors.Is(err, errBroken) {
			t.Errorf("%s: the probe saw %q, %v", action, saw, err)
		}
	}
}

// A server with a process for each connection does not run out of descriptors.
func TestFileDescriptorsOfAStore(t *testing.T) {
	r := chaos.Resolved{ID: "x/1", Action: "file_descriptors", Instances: []string{"db-1"}}
	if err := fault.Supported(r, newFake()); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "a victim that is no PostgreSQL") {
		t.Errorf("got %v", err)
	}
}
