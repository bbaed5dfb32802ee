package heal_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/deploy/cell"
	"github.com/bedlamlab/bedlam/deploy/enginetest"
	"github.com/bedlamlab/bedlam/deploy/process"
	"github.com/bedlamlab/bedlam/verify/heal"
)

// dearer is how much more a fault of the kernel costs than one of the relay: a
// holder is started for most of them. Of those that are asked for, so many fewer
// are done.
const dearer = 10

// TestKernelCyclesLeaveNothing injects and lifts again and again what the kernel
// does to an isolated instance. Tables of nf_tables, queues, namespaces, links,
// cgroups, shares and limits are afterwards what they were before, and nobody
// holds a harm.
func TestKernelCyclesLeaveNothing(t *testing.T) {
	if err := cell.Try(); err != nil {
		t.Skip("nothing can be isolated here: ", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour) // of a thousand, on any machine
	defer cancel()
	plan := enginetest.Small(t)
	s, err := process.New(process.Options{Isolation: process.Full}).Up(ctx, plan)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Down(context.Background()); err != nil {
			t.Error(err)
		}
	})
	var harms []chaos.Resolved
	for _, h := range []struct{ action, victim, args string }{
		{"packet_bandwidth", "front-2", `{"bandwidth":{"rate":"100KB/s"}}`},
		{"packet_corrupt", "back-1", `{"corrupt":{"corrupt":20}}`},
		{"packet_delay", "back-1", `{"delay":{"latency":"10ms"}}`},
		{"packet_duplicate", "back-1", `{"duplicate":{"duplicate":20}}`},
		{"packet_loss", "back-1", `{"loss":{"loss":10}}`},
		{"packet_partition", "back-1", `{}`},
		{"cpu_quota", "front-2", `{"cpus":0.05}`},
		{"cpu_hog", "back-1", `{"workers":2}`},
		{"memory_balloon", "back-1", `{"memory":60}`},
		{"file_descriptors", "front-2", `{"spare":2}`},
		{"clock_skew", "front-2", `{"skew":"-1h"}`},
	} {
		r := chaos.Resolved{Action: h.action, Instances: []string{h.victim}, Args: chaos.RawArgs(h.args)}
		if err := fault.Supported(r, s); err != nil {
			t.Logf("without %s: %v", h.action, err)
			continue
		}
		harms = append(harms, r)
	}
	if len(harms) == 0 {
		t.Skip("this kernel does none of them")
	}
	held, err := heal.Held(plan.Scratch, plan.Run)
	if err != nil {
		t.Fatal(err)
	}
	before := held()
	if len(before) == 0 {
		t.Fatal("nothing is seen of a system that is up")
	}
	for _, r := range harms { // what would be left is seen
		r.ID, r.Seed = "seen/"+r.Action, 1
		f, err := fault.Build(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Inject(ctx, s); err != nil {
			t.Fatalf("injecting %s: %v", r.Action, err)
		}
		if cmp.Equal(before, held()) {
			t.Errorf("with %s on all is as it was: it would not be seen", r.Action)
		}
		if err := f.Lift(ctx, s); err != nil {
			t.Fatalf("lifting %s: %v", r.Action, err)
		}
	}
	want := asked(t, dearer*len(harms)) / dearer
	for i := range want {
		cycle(t, s, harms[i%len(harms)], i)
		if i%len(harms) == len(harms)-1 || i == want-1 {
			if changes := cmp.Diff(before, held()); changes != "" {
				t.Fatalf("after %d cycles, the last of %s:\n%s", i+1, harms[i%len(harms)].Action, changes)
			}
		}
	}
	t.Logf("%d cycles of %d faults: all of the %d things are as they were", want, len(harms), len(before))
}
