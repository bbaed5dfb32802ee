package enginetest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/supervise"
)

// relayDies kills the relay from outside, if its process can be reached: it
// comes back with its listeners and its rules, and knows who is down.
func relayDies(t *testing.T, f *fixture) {
	holder, killer, shaper := power[deploy.Holder](t, f), power[deploy.Killer](t, f), power[deploy.Shaper](t, f)
	cut := rule("enginetest/a b", "partition", "", link(loader, "front-1"))
	if err := errors.Join(holder.Hold(within(t), "back-2"), killer.Kill(within(t), "back-2"), shaper.Shape(within(t), cut)); err != nil {
		t.Fatal(err)
	}
	before := f.inspect(t, supervise.Relay)
	if before.PID == 0 || syscall.Kill(before.PID, syscall.SIGKILL) != nil {
		if err := killer.Kill(within(t), supervise.Relay); err != nil {
			t.Fatal(err)
		}
	}
	f.until(t, supervise.Relay, "is another one", func(st deploy.State) bool { return st.Ready && st.Starts == before.Starts+1 })
	if !f.heard("exited", supervise.Relay) {
		t.Error("nobody told that the relay died")
	}
	rules, err := shaper.Rules(within(t))
	if err != nil || len(rules) != 1 || rules[0].ID != cut.ID {
		t.Errorf("its rules are %+v, %v, want the one of before", rules, err)
	}
	refusedAtOnce(t, f.address(t, "front-1", "back-2"))
	if err := healthy(within(t), f.address(t, "front-1", "back-1")); err != nil {
		t.Errorf("it leads nowhere for one that is up: %v", err)
	}
	if err := errors.Join(shaper.Unshape(within(t), cut.ID), holder.Release(within(t), "back-2")); err != nil {
		t.Fatal(err)
	}
}

// relayIsGone lifts a rule while there is no relay at all, as whoever heals a
// run may have to: what is not there has no rules.
func relayIsGone(t *testing.T, f *fixture, fresh deploy.Engine) {
	holder, killer := power[deploy.Holder](t, f), power[deploy.Killer](t, f)
	if err := errors.Join(holder.Hold(within(t), supervise.Relay), killer.Kill(within(t), supervise.Relay)); err != nil {
		t.Fatal(err)
	}
	other, err := fresh.Attach(within(t), f.plan.Scratch)
	if err != nil {
		t.Fatal(err)
	}
	shaper := power[deploy.Shaper](t, other)
	if err := shaper.Unshape(within(t), "whatever"); err != nil {
		t.Error(err)
	}
	if rules, err := shaper.Rules(within(t)); err == nil {
		t.Errorf("a relay that is gone says its rules are %+v", rules)
	}
	if err := holder.Release(within(t), supervise.Relay); err != nil {
		t.Fatal(err)
	}
}

// logsOfAllLives looks for what an instance said, over all of its lives.
func logsOfAllLives(t *testing.T, f *fixture) {
	killer := power[deploy.Killer](t, f)
	before := f.inspect(t, "back-2")
	if err := killer.Kill(within(t), "back-2"); err != nil {
		t.Fatal(err)
	}
	st := f.until(t, "back-2", "is restarted", func(st deploy.State) bool { return st.Ready && st.Starts > before.Starts })
	eventually(t, "each life has left a line", func() bool {
		b, err := os.ReadFile(filepath.Join(f.plan.Logs, "back-2.log"))
		return err == nil && string(b) == strings.Repeat(greeting+"\n", st.Starts)
	})
}
