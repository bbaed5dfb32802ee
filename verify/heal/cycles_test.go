package heal_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/enginetest"
	"github.com/bedlamlab/bedlam/deploy/process"
	"github.com/bedlamlab/bedlam/deploy/supervise"
	"github.com/bedlamlab/bedlam/topology"
	"github.com/bedlamlab/bedlam/verify/heal"
)

// cycles is how many faults TestCyclesLeaveNothing injects and lifts; make
// verify-cycles does ten times as many.
const cycles = 1000

// TestCyclesLeaveNothing injects and lifts again and again every fault of the
// relay, and a pause, while connections come and live: in the relay no rule and
// no descriptor is left, and here no goroutine and no descriptor.
func TestCyclesLeaveNothing(t *testing.T) {
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip("descriptors are read from /proc, which is not here")
	}
	want := asked(t, cycles)
	plan := enginetest.Small(t)
	plan.Names = true // where this machine can: faults of names are cheap, too
	s, err := process.New(process.Options{}).Up(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Down(context.Background()); err != nil {
			t.Error(err)
		}
	})
	harms := cheap(t, s)
	for i := range 2 * len(harms) { // what is made once, and kept, is made by now
		cycle(t, s, harms[i%len(harms)], i)
	}
	before := holdings(t, plan.Scratch)
	began := time.Now()
	for i := range want {
		cycle(t, s, harms[i%len(harms)], i)
	}
	t.Logf("%d cycles of %d faults in %s", want, len(harms), time.Since(began).Round(time.Millisecond))

	shaper, err := deploy.Power[deploy.Shaper](s)
	if err != nil {
		t.Fatal(err)
	}
	if rules, err := shaper.Rules(t.Context()); err != nil || len(rules) > 0 {
		t.Errorf("the relay has the rules %+v, %v", rules, err)
	}
	if files, err := os.ReadDir(filepath.Join(plan.Scratch, "rules")); err != nil || len(files) > 0 {
		t.Errorf("written down are the rules %v, %v", files, err)
	}
	for until := time.Now().Add(most); ; time.Sleep(10 * time.Millisecond) { // connections end in other processes
		after := holdings(t, plan.Scratch)
		grown := ""
		for what, n := range after {
			if n > before[what] {
				grown += fmt.Sprintf("%s: %d, before %d\n", what, n, before[what])
			}
		}
		if grown == "" {
			t.Logf("held before and after: %v, %v", before, after)
			return
		}
		if time.Now().After(until) {
			pprof.Lookup("goroutine").WriteTo(t.Output(), 1)
			t.Fatalf("it has grown:\n%s", grown)
		}
	}
}

// asked is how many cycles somebody wants who says it, and n otherwise.
func asked(t *testing.T, n int) int {
	t.Helper()
	said := os.Getenv("BEDLAM_CYCLES")
	if said == "" {
		return n
	}
	n, err := strconv.Atoi(said)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// cheap returns the faults of the relay and a pause, each on the link of the
// small system that speaks the protocol of the shop's.
func cheap(t *testing.T, on deploy.System) []chaos.Resolved {
	t.Helper()
	all := []chaos.Resolved{{Action: "pause", Instances: []string{"front-1"}}}
	for _, k := range fault.Kinds() {
		if power, _, _ := strings.Cut(k.Needs.String(), ","); power != "Shaper" {
			continue
		}
		if err := k.Needs.Of(on); err != nil {
			t.Logf("without %s: %v", k.Name, err)
			continue
		}
		s, err := heal.Asks(k)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, chaos.Resolved{Action: k.Name, Args: s.Args, Direction: s.Direction, Links: []topology.Link{{From: "front-1", To: "back-1"}}})
	}
	if len(all) < 6 {
		t.Fatalf("only %d faults are cheap: the powers have other names", len(all))
	}
	return all
}

// cycle injects a fault under a connection that lives, and lifts it.
func cycle(t *testing.T, s deploy.System, r chaos.Resolved, n int) {
	t.Helper()
	r.ID, r.Seed = fmt.Sprintf("cycle/%d", n), uint64(n)
	f, err := fault.Build(r)
	if err != nil {
		t.Fatal(err)
	}
	address, err := s.Address("front-1", "back-1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fault.Ping(t.Context(), topology.GRPC, address); err != nil {
		t.Fatalf("before %s (cycle %d): %v", r.Action, n, err)
	}
	live, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	if err := f.Inject(t.Context(), s); err != nil {
		t.Fatalf("injecting %s (cycle %d): %v", r.Action, n, err)
	}
	if err := f.Lift(t.Context(), s); err != nil {
		t.Fatalf("lifting %s (cycle %d): %v", r.Action, n, err)
	}
}

// mostPipes is how many ends of pipes a relay may hold when nothing flows: its
// runtime keeps those of splices for the next ones until it collects garbage,
// and these cycles never have more than two connections at once. A pipe that
// was left in each cycle would be hundreds.
const mostPipes = 32

// holdings counts what this process and the relay hold.
func holdings(t *testing.T, scratch string) map[string]int {
	t.Helper()
	record, err := supervise.Files{Scratch: scratch}.Record(supervise.Relay)
	if err != nil || record.PID == 0 {
		t.Fatalf("the relay's record: %+v, %v", record, err)
	}
	descriptors := func(pid string) (pipes, others int) {
		all, err := os.ReadDir(filepath.Join("/proc", pid, "fd"))
		if err != nil {
			t.Fatal(err)
		}
		for _, fd := range all {
			if at, _ := os.Readlink(filepath.Join("/proc", pid, "fd", fd.Name())); strings.HasPrefix(at, "pipe:") {
				pipes++
			} else {
				others++
			}
		}
		return pipes, others
	}
	pipes, others := descriptors(strconv.Itoa(record.PID))
	own, more := descriptors("self")
	return map[string]int{"goroutines": runtime.NumGoroutine(), "descriptors": own + more,
		fmt.Sprintf("descriptors of the relay, process %d", record.PID): others,
		"more pipes of the relay than its runtime may keep for splices": max(0, pipes-mostPipes)}
}
