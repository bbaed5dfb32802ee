package relay_test

import (
	"errors"
	"io"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/bedlamlab/bedlam/deploy"
)

// descriptors counts this process's open files.
func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("no /proc on %s: %v", runtime.GOOS, err)
	}
	return len(all)
}

// A thousand times a rule comes, meets a live connection and a new one, and
// goes; what the process holds does not grow.
func TestNothingLeaks(t *testing.T) {
	r := between(t, serve(t, echo))
	address := r.link(ab).Listen
	live := dial(t, address)
	ask(t, live, "x")
	rules := []deploy.Rule{
		rule("r", "latency", "both", `{"latency":"10us"}`),
		rule("r", "partition", "to", ""),
		rule("r", "reset", "both", ""),
		rule("r", "partition", "from", ""),
		rule("r", "latency", "to", `{"latency":"10m"}`),
		rule("r", "bandwidth", "both", `{"rate":"1KB/s"}`),
		rule("r", "slow_close", "both", `{"delay":"10m"}`),
		rule("r", "blackhole", "both", ""),
		rule("r", "timeout", "both", `{"timeout":"10m"}`),
		rule("r", "reset_peer", "both", `{"timeout":"10m"}`),
		rule("r", "dial_latency", "both", `{"latency":"10m"}`),
		rule("r", "slicer", "both", `{"average_size":1,"delay":"10m"}`),
		rule("r", "limit_data", "to", `{"bytes":1}`),
		rule("r", "corrupt", "both", `{"percent":0.001}`), // so little that none is hit
	}
	cycles := 0
	cycle := func(i int) {
		rule := rules[i%len(rules)]
		cycles++
		rule.ID = strconv.Itoa(cycles) // the evidence of those before is kept
		fresh := dial(t, address)
		ask(t, fresh, "x")
		r.shape(rule)
		switch rule.Kind {
		case "reset": // leaves nobody to talk to, the live one neither
			r.unshape(rule.ID)
			live.Close()
			live = dial(t, address)
		case "blackhole", "timeout", "reset_peer": // reset whoever spoke
			io.WriteString(fresh, "y")
			eventually(t, "it is swallowed", func() bool { return r.evidence(ab, rule.ID).Bytes == 1 })
			r.unshape(rule.ID)
			if _, err := fresh.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Fatalf("after %s: %v, want a reset", rule.Kind, err)
			}
		case "slow_close":
			fresh.CloseWrite()
			eventually(t, "the end is held", func() bool { return r.evidence(ab, rule.ID).Chunks > 0 })
			r.unshape(rule.ID)
			if _, err := fresh.Read(make([]byte, 1)); err != io.EOF {
				t.Fatalf("after the lift: %v, want the end", err)
			}
		case "limit_data": // which takes the answer with it, or not
			io.WriteString(fresh, "y")
			eventually(t, "it is closed", func() bool { return r.evidence(ab, rule.ID).Chunks == 1 })
			if got, _ := io.ReadAll(fresh); len(got) > 1 {
				t.Fatalf("%q came back", got)
			}
		default:
			io.WriteString(fresh, "y")
			r.unshape(rule.ID)
			want(t, fresh, "y")
		}
		r.unshape(rule.ID)
		fresh.Close()
		ask(t, live, "z")
	}
	settle := func() (files int) {
		eventually(t, "only the live connection is left", func() bool { return r.link(ab).Open == 1 })
		// The relay's pipes lie in a pool of the runtime's poller that the
		// collector empties in two rounds.
		runtime.GC()
		runtime.GC()
		return descriptors(t)
	}
	for i := range 2 * len(rules) {
		cycle(i)
	}
	before := settle()
	for i := range 1000 {
		cycle(2*len(rules) + i) // no id twice: the evidence of the first would be taken for the second's
	}
	// The test's own sockets and the collector's timing move the count by a
	// few; a leak of one in each cycle would move it by a thousand.
	const slack = 20
	after := 0
	eventually(t, "descriptors are closed", func() bool { after = settle(); return after <= before+slack })
	t.Logf("%d descriptors before, %d after", before, after)
	live.Close()
	r.Stop()
	goleak.VerifyNone(t, goleak.IgnoreCurrent())
}
