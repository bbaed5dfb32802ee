package fault_test

import (
	"context"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/cell"
	"github.com/bedlamlab/bedlam/deploy/enginetest"
	"github.com/bedlamlab/bedlam/deploy/process"
)

// Every harm to packets is seen on a real instance by its own probe while it is
// on, and only then; a restart does not end it, and another process lifts it.
func TestPackets(t *testing.T) {
	if err := cell.Try(); err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // bounds every wait; it is no measure of anything
	defer cancel()
	s, other := isolated(ctx, t)
	victims := map[string]string{"packet_bandwidth": "front-2"}
	for _, c := range []struct{ action, args string }{
		{"packet_delay", `{"delay":{"latency":"60ms","jitter":"20ms"}}`},
		{"packet_delay", `{"delay":{"latency":"400ms","reorder":"25"}}`},
		{"packet_loss", `{"loss":{"loss":10}}`},
		{"packet_duplicate", `{"duplicate":{"duplicate":20}}`},
		{"packet_corrupt", `{"corrupt":{"corrupt":20}}`},
		{"packet_bandwidth", `{"bandwidth":{"rate":"100KB/s"}}`},
		{"packet_partition", `{}`},
	} {
		t.Run(c.action+c.args, func(t *testing.T) {
			victim := victims[c.action]
			if victim == "" {
				victim = "back-1"
			}
			r := chaos.Resolved{ID: "x/" + c.action, Action: c.action, Instances: []string{victim}, Args: chaos.RawArgs(c.args), Seed: 7}
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
				for ctx.Err() == nil {
					saw, err := p.Probe(ctx, s, injected)
					if (err == nil) == want {
						return
					}
					t.Logf("not yet: the probe of injected %t saw %q, %v", injected, saw, err) // a busy machine is slow and loses packets by itself
				}
				t.Errorf("the probe of injected %t is never right", injected)
			}
			probe(true, false)
			probe(false, true)
			if err := f.Inject(ctx, s); err != nil {
				t.Fatal(err)
			}
			probe(true, true)
			probe(false, false)
			if c.action == "packet_delay" { // the others differ in nothing that a restart could change
				restart(ctx, t, s, victim)
				probe(true, true)
			}
			again, err := fault.Build(journalled(t, r))
			if err != nil {
				t.Fatal(err)
			}
			if err := again.Lift(ctx, other); err != nil {
				t.Fatal(err)
			}
			probe(false, true)
			probe(true, false)
		})
	}
}

// restart kills an instance and waits until it has come back.
func restart(ctx context.Context, t *testing.T, s deploy.System, instance string) {
	t.Helper()
	killer, err := deploy.Power[deploy.Killer](s)
	if err != nil {
		t.Fatal(err)
	}
	holder, err := deploy.Power[deploy.Holder](s)
	if err != nil {
		t.Fatal(err)
	}
	inspector, err := deploy.Power[deploy.Inspector](s)
	if err != nil {
		t.Fatal(err)
	}
	if err := killer.Kill(ctx, instance); err != nil {
		t.Fatal(err)
	}
	if err := holder.Release(ctx, instance); err != nil { // at once
		t.Fatal(err)
	}
	for {
		st, err := inspector.Inspect(ctx, instance)
		if err != nil {
			t.Fatal(err)
		}
		if st.Ready {
			return
		}
		time.Sleep(5 * time.Millisecond) // readiness is asked for
	}
}

// isolated is a small system whose instances have a kernel's surroundings of
// their own, as who started it sees it and as another process does.
func isolated(ctx context.Context, t *testing.T) (system, other deploy.System) {
	t.Helper()
	plan := enginetest.Small(t)
	engine := process.New(process.Options{Isolation: process.Full})
	system, err := engine.Up(ctx, plan)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if err := system.Down(ctx); err != nil {
			t.Error(err)
		}
	})
	other, err = engine.Attach(ctx, plan.Scratch)
	if err != nil {
		t.Fatal(err)
	}
	return system, other
}
