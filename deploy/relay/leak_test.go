package relay_test

import (
	"io"
	"os"
	"runtime"
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
	}
	cycle := func(i int) {
		fresh := dial(t, address)
		ask(t, fresh, "x")
		r.shape(rules[i%len(rules)])
		held, err := fresh, error(nil)
		if i%len(rules) != 2 { // a reset leaves nobody to talk to
			_, err = io.WriteString(held, "y")
		}
		r.unshape("r")
		if err == nil && i%len(rules) != 2 {
			want(t, held, "y")
		}
		fresh.Close()
		if i%len(rules) == 2 { // and the live one is gone too
			live.Close()
			live = dial(t, address)
		}
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
		cycle(i)
	}
	// The test's own sockets and the collector's timing move the count by a
	// few; a leak of one in each cycle would move it by a thousand.
	const slack = 20
	after := 0
	eventually(t, "descriptors are closed", func() bool { after = settle(); return after <= before+slack })
	t.Logf("%d descriptors before, %d after", before, after)
	live.Close()
	r.stop()
	goleak.VerifyNone(t, goleak.IgnoreCurrent())
}
