package fault_test

import (
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/fault"
)

func TestMilder(t *testing.T) {
	to := &chaos.Selector{Services: []string{"bank"}}
	for _, c := range []struct {
		action, args string
		edge         bool
		want         []string
	}{
		{"latency", `{"delay":{"latency":"300ms","jitter":"50ms"}}`, true,
			[]string{`{"delay":{"jitter":"25ms","latency":"300ms"}}`, `{"delay":{"jitter":"50ms","latency":"150ms"}}`}},
		{"latency", `{"delay":{"latency":"5ms"}}`, true, nil}, // less cannot be told
		{"delay_request", `{"delay":"30ms"}`, true, nil},
		{"delay_request", `{"delay":"60ms","percent":0.8}`, true, nil},
		{"capacity", `{"concurrency":1,"service_time":"30ms"}`, true, []string{`{"concurrency":2,"service_time":"30ms"}`}},
		{"bandwidth", `{"bandwidth":{"rate":"64KB/s"}}`, true, []string{`{"bandwidth":{"rate":"128KB/s"}}`}},
		{"packet_loss", `{"loss":{"loss":25}}`, false, []string{`{"loss":{"loss":12}}`}},
		{"reset", `{"probability":0.5}`, true, []string{`{"probability":0.25}`}},
		{"cpu_quota", `{"cpus":0.1}`, false, []string{`{"cpus":0.2}`}},
		{"clock_skew", `{"skew":"-1h"}`, false, []string{`{"skew":"-30m0s"}`}},
		{"kill", `{"hold":true}`, false, nil},
		{"kill", "", false, nil},
		{"pause", "nonsense", false, nil},
	} {
		s := chaos.Spec{Action: c.action, Args: []byte(c.args)}
		if c.edge {
			s.Target = to
		}
		var got []string
		for _, b := range fault.Milder(s) {
			got = append(got, string(b))
		}
		if strings.Join(got, " ") != strings.Join(c.want, " ") {
			t.Errorf("%s %s: got %q, want %q", c.action, c.args, got, c.want)
		}
		if string(s.Args) != c.args {
			t.Errorf("%s: its own parameters were changed to %s", c.action, s.Args)
		}
	}
}
