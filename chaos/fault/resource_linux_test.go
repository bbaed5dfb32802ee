package fault_test

import (
	"context"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/deploy/cell"
)

// Every harm to an instance's resources is seen on a real one by its own probe
// while it is on, and only then; a restart does not end it, and another process
// lifts it.
func TestResources(t *testing.T) {
	if err := cell.Check(); err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // bounds every wait; it is no measure of anything
	defer cancel()
	s, other := isolated(ctx, t)
	const restarts = true // what is done to the process, not to its cgroup
	for _, c := range []struct {
		action, args, victim string
		restarts             bool
	}{
		{"cpu_quota", `{"cpus":0.05}`, "front-2", false},
		{"cpu_hog", `{"workers":2}`, "back-1", false},
		{"memory_balloon", `{"memory":60}`, "back-1", false},
		{"file_descriptors", `{"spare":2}`, "front-2", restarts},
		{"clock_skew", `{"skew":"-1h"}`, "front-2", restarts},
	} {
		t.Run(c.action+" "+c.victim, func(t *testing.T) {
			r := chaos.Resolved{ID: "x/" + c.action, Action: c.action, Instances: []string{c.victim}, Args: chaos.RawArgs(c.args), Seed: 7}
			if err := fault.Supported(r, s); err != nil {
				t.Skip(err)
			}
			f, err := fault.Build(r)
			if err != nil {
				t.Fatal(err)
			}
			p := f.(chaos.Prober)
			probe := func(injected, want bool) {
				t.Helper()
				saw, err := p.Probe(ctx, s, injected)
				for tries := 1; want && err != nil && tries < 5; tries++ { // as the runner asks: a connection that just ends leaves a descriptor
					saw, err = p.Probe(ctx, s, injected)
				}
				t.Logf("%t: %s %v", injected, saw, err)
				if (err == nil) != want {
					t.Errorf("the probe of injected %t saw %q, %v", injected, saw, err)
				}
			}
			probe(true, false)
			probe(false, true)
			if err := f.Inject(ctx, s); err != nil {
				t.Fatal(err)
			}
			probe(true, true)
			probe(false, false)
			if c.restarts {
				restart(ctx, t, s, c.victim)
				probe(true, true)
			}
			again, err := fault.Build(journalled(t, r))
			if err != nil {
				t.Fatal(err)
			}
			if err := again.Lift(ctx, other); err != nil {
				t.Fatal(err)
			}
			for { // a health check is asked for again and again
				saw, err := p.Probe(ctx, s, false)
				if err == nil {
					t.Log(saw)
					break
				}
				if ctx.Err() != nil {
					t.Fatal(err)
				}
			}
			probe(true, false)
		})
	}
}
