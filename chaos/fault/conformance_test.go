package fault_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

// samples are the parameters of the kinds that cannot do without; a new kind
// that needs some adds its own.
var samples = map[string]string{
	"cancel":           `{"after":"20ms"}`,
	"capacity":         `{"concurrency":2,"service_time":"300ms"}`,
	"corrupt":          `{"percent":5}`,
	"disk_slow":        `{"latency":"50ms"}`,
	"dns_delay":        `{"delay":{"latency":"300ms","jitter":"50ms"}}`,
	"dial_latency":     `{"delay":{"latency":"300ms","jitter":"50ms"}}`,
	"limit_data":       `{"bytes":4096}`,
	"slicer":           `{"average_size":64,"delay":"10ms"}`,
	"delay_request":    `{"delay":"300ms"}`,
	"packet_bandwidth": `{"bandwidth":{"rate":"64KB/s"}}`,
	"packet_corrupt":   `{"corrupt":{"corrupt":5}}`,
	"packet_delay":     `{"delay":{"latency":"100ms","jitter":"20ms","reorder":"25"}}`,
	"packet_duplicate": `{"duplicate":{"duplicate":20}}`,
	"packet_loss":      `{"loss":{"loss":10}}`,
	"bandwidth":        `{"bandwidth":{"rate":"64KB/s"}}`,
	"latency":          `{"delay":{"latency":"300ms","jitter":"50ms"}}`,
	"lock_table":       `{"table":"back.things"}`,
	"slow_close":       `{"delay":"2s"}`,
	"surge":            `{"factor":3}`,
	"slow_statements":  `{"table":"back.things","delay":"100ms"}`,
}

// sample is a harm of each kind on the small system.
func sample(k fault.Kind) chaos.Resolved {
	r := chaos.Resolved{ID: "x/1", Action: k.Name, Args: chaos.RawArgs(samples[k.Name]), Seed: 7}
	switch k.On {
	case "edges":
		r.Links = shop().LinksOf(shop().Edges[1])
	case "stores", "disks":
		r.Instances = []string{"db-1"}
	default:
		r.Instances = []string{"back-1", "back-2"}
		if k.Load { // it comes where customers do
			r.Instances = []string{"front-1"}
		}
	}
	return r
}

// Every kind keeps the contract of a fault.
func TestEveryKind(t *testing.T) {
	store, noStore := server(t)
	newFake := func() *fake {
		f := newFake()
		f.store = store
		return f
	}
	for _, k := range fault.Kinds() {
		t.Run(k.Name, func(t *testing.T) {
			if k.On == "stores" && noStore != nil {
				t.Skipf("there is no PostgreSQL to harm: %v", noStore)
			}
			r := sample(k)
			build := func(r chaos.Resolved) chaos.Fault {
				f, err := fault.Build(r)
				if err != nil {
					t.Fatalf("build: %v", err)
				}
				return f
			}
			t.Run("says what it is", func(t *testing.T) {
				if k.Doc == "" || !strings.HasSuffix(k.Doc, ".") || k.Needs.String() == "" || k.On != "edges" && k.On != "instances" && k.On != "stores" && k.On != "disks" {
					t.Errorf("%+v", k)
				}
			})
			t.Run("can be seen", func(t *testing.T) {
				f := build(r)
				if _, ok := f.(chaos.Prober); !ok {
					t.Error("no probe: it could never be proven")
				}
				if _, ok := f.(chaos.Witnessed); !ok {
					t.Error("no request can meet it: it could never be proven")
				}
			})
			t.Run("a misspelt parameter is refused", func(t *testing.T) {
				bad := r
				bad.Args = chaos.RawArgs(`{"delya":1}`)
				if _, err := fault.Build(bad); err == nil || !strings.Contains(err.Error(), `"delya"`) || !strings.HasPrefix(err.Error(), k.Name+": ") {
					t.Errorf("got %v", err)
				}
			})
			t.Run("parameters that are none are refused", func(t *testing.T) {
				for _, args := range []string{`[]`, `7`, `{} {}`, `{`, `"x"`} {
					bad := r
					bad.Args = chaos.RawArgs(args)
					if _, err := fault.Build(bad); err == nil {
						t.Errorf("%s is taken", args)
					}
				}
			})
			t.Run("without victims there is none", func(t *testing.T) {
				bad := r
				bad.Links, bad.Instances = nil, nil
				if _, err := fault.Build(bad); err == nil {
					t.Error("a fault without victims was built")
				}
			})
			t.Run("lift without inject is harmless", func(t *testing.T) {
				s := newFake()
				for range 2 {
					if err := build(r).Lift(t.Context(), s); err != nil {
						t.Fatal(err)
					}
				}
				for in, st := range s.states {
					if st.Phase != deploy.Running || !st.Ready || st.Held || st.Starts != 1 {
						t.Errorf("%s is %+v", in, st)
					}
				}
				if len(s.rules) > 0 || len(s.impairments) > 0 {
					t.Errorf("rules are left: %v %v", s.rules, s.impairments)
				}
				for name, d := range s.surges {
					if d.On {
						t.Errorf("the surge %s goes on", name)
					}
				}
			})
			t.Run("another process lifts it, twice", func(t *testing.T) {
				s := newFake()
				if err := build(r).Inject(t.Context(), wrapped{s}); err != nil {
					t.Fatal(err)
				}
				if len(s.calls) == 0 {
					t.Fatal("injecting did nothing")
				}
				for range 2 {
					if err := build(journalled(t, r)).Lift(t.Context(), wrapped{s}); err != nil {
						t.Fatal(err)
					}
				}
				for in, st := range s.states {
					if st.Phase != deploy.Running || !st.Ready || st.Held {
						t.Errorf("after the lift, %s is %+v", in, st)
					}
				}
				if len(s.rules) > 0 || len(s.impairments) > 0 {
					t.Errorf("rules are left: %v %v", s.rules, s.impairments)
				}
				for name, d := range s.surges {
					if d.On {
						t.Errorf("the surge %s goes on", name)
					}
				}
			})
			t.Run("an engine without the power says so before any harm", func(t *testing.T) {
				s := &bare{}
				if err := fault.Supported(r, s); !errors.Is(err, errors.ErrUnsupported) {
					t.Errorf("supported: %v", err)
				}
				f := build(r)
				if err := f.Inject(t.Context(), s); !errors.Is(err, errors.ErrUnsupported) {
					t.Errorf("inject: %v", err)
				}
				if err := f.Lift(t.Context(), s); k.Load && err != nil || !k.Load && !errors.Is(err, errors.ErrUnsupported) {
					t.Errorf("lift: %v", err)
				}
			})
			t.Run("an engine with the powers is taken, behind wrappers too", func(t *testing.T) {
				if err := fault.Supported(r, wrapped{wrapped{newFake()}}); err != nil {
					t.Error(err)
				}
			})
			t.Run("it is what an experiment may ask for", func(t *testing.T) {
				spec := chaos.Spec{Action: k.Name, Selector: chaos.Selector{Services: []string{"front"}}, Args: []byte(samples[k.Name])}
				target := &chaos.Selector{Services: []string{"back"}}
				with, without := spec, spec
				with.Target = target
				okWith, okWithout := fault.Check(with), fault.Check(without)
				if k.On == "edges" && (okWith != nil || okWithout == nil) || k.On != "edges" && (okWith == nil || okWithout != nil) {
					t.Errorf("with a target: %v; without: %v", okWith, okWithout)
				}
				odd := with
				if k.On != "edges" {
					odd = without
				}
				odd.Direction = "sideways"
				if err := fault.Check(odd); err == nil {
					t.Error("a direction that is none is taken")
				}
			})
		})
	}
}

// A half power is none: what cannot be undone is not begun.
func TestSupportedNeedsWhatLiftingNeeds(t *testing.T) {
	for _, action := range []string{"kill", "oom", "stop", "restart", "crash_loop"} {
		r := chaos.Resolved{ID: "x/1", Action: action, Instances: []string{"back-1"}}
		s := struct {
			deploy.System
			deploy.Killer
			deploy.Stopper
			deploy.Exhauster
			deploy.Inspector
		}{&bare{}, newFake(), newFake(), newFake(), newFake()}
		if err := fault.Supported(r, s); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "Holder") {
			t.Errorf("%s: got %v, want that the Holder is missing", action, err)
		}
	}
}

// What nobody can do here is refused before anything is touched, in words that
// say what would give it.
func TestSupportedSaysWhatWouldGiveIt(t *testing.T) {
	r := chaos.Resolved{ID: "x/1", Action: "oom", Instances: []string{"back-1"}}
	s := &poor{fake: newFake()}
	const want = "oom: this engine has no Exhauster (a cgroup each would give it): unsupported operation"
	if err := fault.Supported(r, wrapped{s}); !errors.Is(err, errors.ErrUnsupported) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	f, err := fault.Build(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Inject(t.Context(), wrapped{s}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("inject: %v", err)
	}
	if len(s.calls) > 0 {
		t.Errorf("although it cannot, it did %q", s.calls)
	}
}

func TestKinds(t *testing.T) {
	kinds := fault.Kinds()
	if !slices.IsSortedFunc(kinds, func(a, b fault.Kind) int { return strings.Compare(a.Name, b.Name) }) || len(kinds) < 9 {
		t.Errorf("got %d kinds, want all of them by name", len(kinds))
	}
	b, err := json.Marshal(kinds)
	if err != nil || !strings.Contains(string(b), `"needs":"Killer, Inspector, Holder"`) {
		t.Errorf("%v: %s", err, b)
	}
}

func TestUnknownAction(t *testing.T) {
	want := `unknown fault "explode" (want one of abort, bandwidth, `
	_, build := fault.Build(chaos.Resolved{Action: "explode"})
	for what, err := range map[string]error{
		"build": build, "check": fault.Check(chaos.Spec{Action: "explode"}), "supported": fault.Supported(chaos.Resolved{Action: "explode"}, newFake()),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s…", what, err, want)
		}
	}
}

func TestBadParameters(t *testing.T) {
	edge := []topology.Link{{From: "front-1", To: "back-1"}}
	for _, c := range []struct {
		action, args, direction, want string
	}{
		{"surge", ``, "", "factor must be between 1.5 and 20, it is 0"},
		{"surge", `{"factor":1}`, "", "factor must be between"},
		{"surge", `{"factor":21}`, "", "factor must be between"},
		{"surge", `{"factor":"3"}`, "", "cannot unmarshal"},
		{"surge", `{"factor":3,"kind":"flash"}`, "", `unknown kind "flash" (want one of all, browse, cart, buy, prefetch)`},
		{"flash_sale", `{"buyers":9}`, "", "buyers must be from 10 to 4000, it is 9"},
		{"flash_sale", `{"buyers":4001}`, "", "buyers must be from"},
		{"flash_sale", `{"over":"99ms"}`, "", "over must be between 100ms and 12s, it is 99ms"},
		{"flash_sale", `{"over":"13s"}`, "", "over must be between"},
		{"flash_sale", `{"product":"P00001"}`, "", `unknown field "product"`},
		{"poison", `{"requests":0.5}`, "", "requests must be between 1 and 500 a second, it is 0.5"},
		{"poison", `{"requests":501}`, "", "requests must be between"},
		{"poison", `{"dose":"arsenic"}`, "", `unknown dose "arsenic" (want one of body, nested, page, quantity, query)`},
		{"cancel", ``, "", "after must be between 1ms and 2s, it is 0s"},
		{"cancel", `{"after":"3s"}`, "", "after must be between"},
		{"cancel", `{"after":"20ms","kind":"prefetch"}`, "", `unknown kind "prefetch" (want one of browse, cart, buy)`},
		{"cancel", `{"after":"20ms","factor":1.2}`, "", "factor must be between"},
		{"latency", ``, "", "delay.latency must be between 5ms and 10m0s"},
		{"latency", `{"delay":{"latency":"-1s"}}`, "", "delay.latency must be between 5ms and 10m0s"},
		{"latency", `{"delay":{"latency":"1h"}}`, "", "and 10m0s"},
		{"latency", `{"delay":{"latency":"soon"}}`, "", "soon"},
		{"latency", `{"delay":{"latency":300}}`, "", "cannot unmarshal"},
		{"latency", `{"delay":{"latency":"1s","jitter":"2s"}}`, "", "delay.jitter must be between 0 and delay.latency"},
		{"latency", `{"delay":{"latency":"1s","jitter":"-1s"}}`, "", "delay.jitter"},
		{"latency", `{"delay":{"latency":"1s","correlation":101}}`, "", "delay.correlation"},
		{"latency", `{"delay":{"latency":"1s","distribution":"zipf"}}`, "", `unknown delay.distribution "zipf"`},
		{"latency", `{"delay":{"latency":"1s"}}`, "up", `unknown direction "up"`},
		{"partition", ``, "up", `unknown direction "up"`},
		{"bandwidth", ``, "", "bandwidth.rate is missing"},
		{"bandwidth", `{"bandwidth":{}}`, "", "bandwidth.rate is missing"},
		{"bandwidth", `{"rate":"64KB/s"}`, "", `unknown field "rate"`},
		{"bandwidth", `{"bandwidth":{"rat":"64KB/s"}}`, "", `unknown field "rat"`},
		{"bandwidth", `{"bandwidth":{"rate":"64KB/s","limit":20971520,"buffer":10000}}`, "", `unknown field "limit"`},
		{"bandwidth", `{"bandwidth":{"rate":64}}`, "", "cannot unmarshal"},
		{"bandwidth", `{"bandwidth":{"rate":"64"}}`, "", `rate "64" has no unit (want B/s, `},
		{"bandwidth", `{"bandwidth":{"rate":"1Mbps"}}`, "", `rate "1Mbps" has an unknown unit`},
		{"bandwidth", `{"bandwidth":{"rate":"100B/s"}}`, "", `rate "100B/s" is not within 1KB/s`},
		{"bandwidth", `{"bandwidth":{"rate":"1mbit"}}`, "up", `unknown direction "up"`},
		{"blackhole", `{"delay":"1s"}`, "", `unknown field "delay"`},
		{"blackhole", ``, "up", `unknown direction "up"`},
		{"abort", `{"status":"OK"}`, "", "unknown status"},
		{"abort", `{"status":302}`, "", "no failure of HTTP"},
		{"abort", `{"percent":0}`, "", "percent must be"},
		{"abort", `{"percent":101}`, "", "percent must be"},
		{"abort", `{"percent":0.4}`, "", "percent times toxicity must be at least 0.5 %, it is 0.4 %"},
		{"duplicate_request", `{"percent":5,"toxicity":0.05}`, "", "must be at least 0.5 %, it is 0.25 %"},
		{"drop_response", `{"percent":1,"toxicity":0.01}`, "", "toxicity must be from 0.05 to 1"},
		{"abort", `{"method":"get"}`, "", "capital letters"},
		{"abort", `{"path":"bank.v1.Bank/Charge"}`, "", "does not begin with /"},
		{"abort", `{"path":"/a*/b"}`, "", "a * is a whole segment"},
		{"abort", ``, "to", `unknown direction "to"`},
		{"delay_request", ``, "", "delay must be between 20ms and 10m0s where every request"},
		{"delay_request", `{"delay":"19ms"}`, "", "delay must be between 20ms"},
		{"delay_request", `{"delay":"49ms","percent":99}`, "", "delay must be between 50ms and 10m0s where not every request"},
		{"delay_request", `{"delay":"49ms","toxicity":0.9}`, "", "delay must be between 50ms"},
		{"delay_request", `{"delay":"1h"}`, "", "between 20ms and 10m0s"},
		{"delay_request", `{"delay":{"latency":"1s"}}`, "", "cannot unmarshal"},
		{"capacity", ``, "", "concurrency must be between 1 and 1000, it is 0"},
		{"capacity", `{"concurrency":1001,"service_time":"1s"}`, "", "it is 1001"},
		{"capacity", `{"concurrency":1}`, "", "service_time must be between 20ms and 10m0s"},
		{"capacity", `{"concurrency":1,"service_time":"5ms"}`, "", "cannot be told from a busy machine"},
		{"capacity", `{"concurrency":1,"service_time":"11m"}`, "", "between 20ms and 10m0s"},
		{"drop_response", `{"instead":"never"}`, "", "neither reset nor silence"},
		{"drop_response", `{"instead":{}}`, "", "neither reset nor silence"},
		{"duplicate_request", `{"times":3}`, "", `unknown field "times"`},
		{"slow_close", ``, "", "delay must be between 100ms and 10m0s"},
		{"slow_close", `{"delya":"1s"}`, "", `unknown field "delya"`},
		{"slow_close", `{"delay":"50ms"}`, "", "delay must be between"},
		{"slow_close", `{"delay":"1h"}`, "", "delay must be between"},
		{"slow_close", `{"delay":"soon"}`, "", "soon"},
		{"slow_close", `{"delay":{"latency":"1s"}}`, "", "cannot unmarshal"},
		{"slow_close", `{"delay":"1s"}`, "up", `unknown direction "up"`},
		{"dial_latency", ``, "", "delay.latency must be between 20ms and 10m0s"},
		{"dial_latency", `{"delay":{"latency":"10ms"}}`, "", "delay.latency must be between"},
		{"dial_latency", `{"delay":{"latency":"1h"}}`, "", "delay.latency must be between"},
		{"dial_latency", `{"delay":{"latency":"1s","jitter":"2s"}}`, "", "delay.jitter must be between 0 and delay.latency"},
		{"dial_latency", `{"delay":{"latency":"1s","correlation":5}}`, "", "delay.correlation has no meaning"},
		{"dial_latency", `{"delay":{"latency":"1s","distribution":"zipf"}}`, "", `unknown delay.distribution "zipf"`},
		{"dial_latency", `{"delay":{"latency":"1s"}}`, "to", "a set-up has no direction"},
		{"dns_failure", `{"answer":"refused"}`, "", `unknown answer "refused"`},
		{"dns_failure", `{"percent":0}`, "", "percent must be between 1 and 100"},
		{"dns_failure", `{"percent":0.5}`, "", "percent must be between 1 and 100"},
		{"dns_failure", `{"percent":101}`, "", "percent must be between 1 and 100"},
		{"dns_failure", ``, "to", "a question and its answer are one"},
		{"dns_delay", ``, "", "delay.latency must be between 20ms and 1m0s"},
		{"dns_delay", `{"delay":{"latency":"10ms"}}`, "", "delay.latency must be between"},
		{"dns_delay", `{"delay":{"latency":"2m"}}`, "", "delay.latency must be between"},
		{"dns_delay", `{"delay":{"latency":"1s","jitter":"600ms"}}`, "", "delay.jitter must be between 0 and half of delay.latency"},
		{"dns_delay", `{"delay":{"latency":"1s","jitter":"-1s"}}`, "", "delay.jitter"},
		{"dns_delay", `{"delay":{"latency":"1s"}}`, "from", "a question and its answer are one"},
		{"slicer", ``, "", "average_size must be from 1 to 65535 bytes"},
		{"slicer", `{"average_size":65536,"delay":"1s"}`, "", "average_size must be"},
		{"slicer", `{"average_size":8,"size_variation":8,"delay":"1ms"}`, "", "size_variation must be from 0 to less than average_size"},
		{"slicer", `{"average_size":8}`, "", "delay must be more than 0"},
		{"slicer", `{"average_size":8,"delay":"1h"}`, "", "delay must be more than 0 and at most"},
		{"slicer", `{"average_size":8,"delay":"1s"}`, "", "8 bytes every 1s are less than 1KB/s"},
		{"slicer", `{"average_size":60000,"delay":"1ms"}`, "", "cannot be told from an unharmed link"},
		{"slicer", `{"average_size":64,"delay":"10ms"}`, "up", `unknown direction "up"`},
		{"limit_data", ``, "", "bytes must be from 1 to 262144"},
		{"limit_data", `{"bytes":262145}`, "", "bytes must be from 1 to 262144"},
		{"limit_data", `{"bytes":"4KB"}`, "", "cannot unmarshal"},
		{"limit_data", `{"bytes":4096}`, "up", `unknown direction "up"`},
		{"corrupt", ``, "", "percent must be from 1 to 100"},
		{"corrupt", `{"percent":0.5}`, "", "percent must be from 1 to 100"},
		{"corrupt", `{"percent":101}`, "", "percent must be from 1 to 100"},
		{"corrupt", `{"corrupt":5}`, "", `unknown field "corrupt"`},
		{"corrupt", `{"percent":5}`, "up", `unknown direction "up"`},
		{"packet_delay", ``, "", "delay.latency must be more than 0"},
		{"packet_delay", `{"delay":{"latency":"2m"}}`, "", "at most 1m0s"},
		{"packet_delay", `{"delay":{"latency":"1s","jitter":"2s"}}`, "", "delay.jitter must be between 0 and latency"},
		{"packet_delay", `{"delay":{"latency":"1s","reorder":100}}`, "", "delay.reorder must be less than 100"},
		{"packet_delay", `{"delay":{"latency":"1s","correlation":10}}`, "", `unknown field "correlation"`},
		{"packet_loss", ``, "", "loss.loss must be between 0.5 and 100 percent"},
		{"packet_loss", `{"loss":{"loss":"0.1"}}`, "", "loss.loss must be between 0.5 and 100 percent"},
		{"packet_loss", `{"loss":{"loss":101}}`, "", `"101" is not a percentage`},
		{"packet_loss", `{"loss":10}`, "", "cannot unmarshal"},
		{"packet_duplicate", ``, "", "duplicate.duplicate must be between 0.5 and 100 percent"},
		{"packet_corrupt", ``, "", "corrupt.corrupt must be between 0.5 and 100 percent"},
		{"packet_corrupt", `{"corrupt":{"corrupt":"much"}}`, "", `"much" is not a percentage`},
		{"packet_bandwidth", ``, "", "bandwidth.rate is missing"},
		{"packet_bandwidth", `{"bandwidth":{"rate":"2GB/s"}}`, "", "bandwidth.rate must be at most 1GB/s"},
		{"packet_partition", `{"way":"up"}`, "", `unknown way "up" (want in, out or both)`},
		{"reset", `{"probability":0}`, "", "probability must be"},
		{"reset", `{"probability":1.1}`, "", "probability must be"},
		{"reset", `{"probability":1e-12}`, "", "probability must be between 0.01 and 1"},
		{"reset", ``, "to", "a reset has no direction"},
		{"crash_loop", `{"life":"-1s"}`, "", "life must be between 0s and 1s"},
		{"crash_loop", `{"life":"2s"}`, "", "life must be between 0s and 1s"},
		{"crash_loop", `{"life":1}`, "", "cannot unmarshal"},
		{"restart", `{"hold":true}`, "", `unknown field "hold"`},
		{"lock_table", ``, "", "table must be schema.table"},
		{"lock_table", `{"table":"stock"}`, "", "table must be schema.table"},
		{"lock_table", `{"table":"a.b; DROP TABLE c"}`, "", "table must be schema.table"},
		{"lock_table", `{"table":"A.B"}`, "", "table must be schema.table"},
		{"slow_statements", `{"table":"a.b"}`, "", "delay must be between 50ms and 900ms"},
		{"slow_statements", `{"table":"a.b","delay":"1s"}`, "", "delay must be between 50ms and 900ms"},
		{"slow_statements", `{"delay":"100ms"}`, "", "table must be schema.table"},
		{"terminate_backends", `{"every":"10ms"}`, "", "every must be between 100ms and 1m0s"},
		{"terminate_backends", `{"of":"back"}`, "", "cannot unmarshal"},
		{"disk_full", `{"free":-1}`, "", "free must be between 0 and 268435456 bytes"},
		{"disk_full", `{"free":268435457}`, "", "free must be between"},
		{"disk_full", `{"free":"1MB"}`, "", "cannot unmarshal"},
		{"disk_full", `{"percent":50}`, "", `unknown field "percent"`},
		{"disk_slow", ``, "", "latency must be between 5ms and 1s"},
		{"disk_slow", `{"latency":"2s"}`, "", "latency must be between 5ms and 1s"},
		{"disk_slow", `{"latency":"50ms","percent":0}`, "", "percent must be between 5 and 100"},
		{"disk_slow", `{"latency":"50ms","percent":101}`, "", `"101" is not a percentage`},
		{"disk_slow", `{"latency":"50ms","operations":["open"]}`, "", `unknown operation "open" (want read, write or fsync)`},
		{"disk_slow", `{"latency":"50ms","operations":["read","read"]}`, "", "operation read stands there twice"},
		{"disk_slow", `{"latency":"50ms","seed":1}`, "", `unknown field "seed"`},
		{"disk_read_only", `{"percent":50}`, "", `unknown field "percent"`},
		{"exhaust_connections", `{"leave":1}`, "", `unknown field "leave"`},
	} {
		r := chaos.Resolved{ID: "x/1", Action: c.action, Links: edge, Instances: []string{"db-1"}, Args: chaos.RawArgs(c.args), Direction: deploy.Direction(c.direction)}
		if _, err := fault.Build(r); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s %s: got %v, want %s", c.action, c.args, c.direction, err, c.want)
		}
	}
}

// The kernel has one impairment of a kind on an instance: an experiment that
// asks for two is refused before it begins, whichever kinds there are.
func TestKernelKindsAreRefusedTwice(t *testing.T) {
	for _, k := range fault.Kinds() {
		if !strings.Contains(k.Needs.String(), "Impairer") {
			continue
		}
		a := chaos.Resolved{Action: k.Name, Instances: []string{"back-1"}, Args: chaos.RawArgs(`{"a":1}`)}
		b := chaos.Resolved{Action: k.Name, Instances: []string{"back-1"}, Args: chaos.RawArgs(`{"a":2}`)}
		if err := chaos.Conflict(a, b); err == nil {
			t.Errorf("%s may be there twice", k.Name)
		}
	}
}
