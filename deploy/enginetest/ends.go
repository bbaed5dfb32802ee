package enginetest

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/bedlamlab/bedlam/deploy"
)

func killIsRestarted(t *testing.T, f *fixture) {
	killer := power[deploy.Killer](t, f)
	before := f.inspect(t, "back-1")
	if err := killer.Kill(within(t), "back-1"); err != nil {
		t.Fatal(err)
	}
	after := f.until(t, "back-1", "is restarted", func(st deploy.State) bool { return st.Ready && st.Starts > before.Starts })
	if after.Starts != before.Starts+1 {
		t.Errorf("it was started %d times more, want once", after.Starts-before.Starts)
	}
	if got := f.of("exited", "back-1"); len(got) != 1 || got[0] != "signal: killed" {
		t.Errorf("its ends were %q, want that it was killed", got)
	}
	if after.PID != 0 && after.PID == before.PID {
		t.Errorf("it is still process %d", after.PID)
	}
	for _, kind := range []string{"exited", "restarting", "started", "ready"} {
		if !f.heard(kind, "back-1") {
			t.Errorf("nobody told that it was %s", kind)
		}
	}
	if err := healthy(within(t), f.address(t, "front-1", "back-1")); err != nil {
		t.Errorf("it does not answer behind the relay: %v", err)
	}
}

func killHeldStaysDown(t *testing.T, f *fixture) {
	heldStaysDown(t, f, power[deploy.Killer](t, f).Kill)
}

func stopHeldStaysDown(t *testing.T, f *fixture) {
	heldStaysDown(t, f, power[deploy.Stopper](t, f).Stop)
	for _, instance := range []string{"front-1", "back-2", "pg-1"} {
		// It ended by itself, and was not killed.
		if got := f.of("exited", instance); len(got) == 0 || got[len(got)-1] != "exit status 0" {
			t.Errorf("the ends of %s were %q, the last should be its own exit", instance, got)
		}
		if !f.heard("stopped", instance) {
			t.Errorf("nobody told that %s was stopped", instance)
		}
	}
}

// heldStaysDown ends each kind of instance while it is held, looks at it from
// outside, and lets it go again.
func heldStaysDown(t *testing.T, f *fixture, end func(context.Context, string) error) {
	holder := power[deploy.Holder](t, f)
	for _, c := range []struct{ instance, caller string }{
		{"front-1", loader}, {"back-2", "front-1"}, {"pg-1", "front-2"},
	} {
		t.Run(c.instance, func(t *testing.T) {
			before := f.inspect(t, c.instance)
			for range 2 { // idempotent
				if err := holder.Hold(within(t), c.instance); err != nil {
					t.Fatal(err)
				}
			}
			defer func() {
				for range 2 {
					if err := holder.Release(context.WithoutCancel(t.Context()), c.instance); err != nil {
						t.Error(err)
					}
				}
				f.until(t, c.instance, "is back", func(st deploy.State) bool { return st.Ready && !st.Held && st.Starts == before.Starts+1 })
			}()
			if err := end(within(t), c.instance); err != nil {
				t.Fatal(err)
			}
			if st := f.inspect(t, c.instance); st.Phase != deploy.Down || st.Ready || !st.Held || st.PID != 0 || st.Starts != before.Starts {
				t.Errorf("it is %+v, want it down and held", st)
			}
			// With the power's return it is true, without another moment.
			refused(t, f.address(t, "", c.instance))
			refusedAtOnce(t, f.address(t, c.caller, c.instance))
			if err := end(within(t), c.instance); err == nil {
				t.Error("ending it again is no error, although nothing runs")
			}
		})
	}
}

func pauseHangs(t *testing.T, f *fixture) {
	pauser := power[deploy.Pauser](t, f)
	for range 2 { // idempotent
		if err := pauser.Pause(within(t), "front-1"); err != nil {
			t.Fatal(err)
		}
	}
	if st := f.inspect(t, "front-1"); st.Phase != deploy.Paused || st.Ready {
		t.Errorf("it is %+v, want it paused", st)
	}
	// The kernel accepts for it, and nobody answers.
	for _, caller := range []string{"", loader} {
		c, err := (&net.Dialer{Timeout: patience}).DialContext(t.Context(), "tcp", f.address(t, caller, "front-1"))
		if err != nil {
			t.Errorf("%q cannot even connect: %v", caller, err)
			continue
		}
		c.Close()
	}
	who := ask(func() error { return get(within(t), f.address(t, loader, "front-1"), "/who", nil) })
	who.stillOpen(t, func() error { return get(within(t), f.address(t, loader, "front-2"), "/who", nil) })
	for range 2 {
		if err := pauser.Resume(within(t), "front-1"); err != nil {
			t.Fatal(err)
		}
	}
	who.settles(t)
	if st := f.inspect(t, "front-1"); st.Phase != deploy.Running {
		t.Errorf("it is %s, want it running again", st.Phase)
	}
}

func resumeDead(t *testing.T, f *fixture) {
	pauser, killer, holder := power[deploy.Pauser](t, f), power[deploy.Killer](t, f), power[deploy.Holder](t, f)
	if err := errors.Join(holder.Hold(within(t), "back-1"), pauser.Pause(within(t), "back-1"), killer.Kill(within(t), "back-1")); err != nil {
		t.Fatal(err)
	}
	if err := pauser.Resume(within(t), "back-1"); err != nil {
		t.Errorf("resuming one that has died: %v", err)
	}
	if err := pauser.Pause(within(t), "back-1"); err == nil {
		t.Error("pausing one that is down is no error")
	}
	if err := holder.Release(within(t), "back-1"); err != nil {
		t.Fatal(err)
	}
}
