package enginetest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

// patience bounds every wait of the suite. It is no measure of anything: a
// machine that needs longer is broken.
var patience = time.Minute

// A fixture is one running system and what was heard of it.
type fixture struct {
	deploy.System
	plan deploy.Plan

	mu     sync.Mutex
	events []deploy.Event
}

// Unwrap lets the system's powers be seen through f.
func (f *fixture) Unwrap() deploy.System { return f.System }

// up brings a system up, and takes it down at the end of the test.
func (s suite) up(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{plan: s.plan(t)}
	f.plan.Observe = func(e deploy.Event) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.events = append(f.events, e)
	}
	began := time.Now()
	system, err := s.newEngine(t).Up(within(t), f.plan)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("up after %s", time.Since(began).Round(time.Millisecond)) // a figure to look at, not one to judge
	f.System = system
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := system.Down(ctx); err != nil {
			t.Error(err)
		}
	})
	return f
}

// within returns a context that ends with the suite's patience.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// heard reports whether an event has been told.
func (f *fixture) heard(kind, instance string) bool {
	return len(f.of(kind, instance)) > 0
}

// of returns the details of the events of one kind.
func (f *fixture) of(kind, instance string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, e := range f.events {
		if e.Kind == kind && e.Instance == instance {
			all = append(all, e.Detail)
		}
	}
	return all
}

// power returns a power of the system, and skips the case if the engine has
// not got it.
func power[P any](t *testing.T, s deploy.System) P {
	t.Helper()
	p, err := deploy.Power[P](s)
	if err != nil {
		t.Skip(err)
	}
	return p
}

func (f *fixture) inspect(t *testing.T, instance string) deploy.State {
	t.Helper()
	st, err := power[deploy.Inspector](t, f).Inspect(within(t), instance)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// until waits for a state of an instance.
func (f *fixture) until(t *testing.T, instance, what string, is func(deploy.State) bool) deploy.State {
	t.Helper()
	var st deploy.State
	eventually(t, instance+" "+what, func() bool {
		st = f.inspect(t, instance)
		return is(st)
	})
	return st
}

// whole waits until every instance runs and is ready, and every rule is gone.
func (f *fixture) whole(t *testing.T) {
	t.Helper()
	for _, in := range f.Topology().Instances() {
		f.until(t, in.Name, "runs and is ready again", func(st deploy.State) bool {
			return st.Phase == deploy.Running && st.Ready && !st.Held
		})
	}
	if p, err := deploy.Power[deploy.Shaper](f); err == nil {
		rules, err := p.Rules(within(t))
		if err != nil {
			t.Fatal(err)
		}
		if len(rules) > 0 {
			t.Errorf("rules are left: %+v", rules)
		}
	}
}

// address returns where caller reaches callee.
func (f *fixture) address(t *testing.T, caller, callee string) string {
	t.Helper()
	a, err := f.Address(caller, callee)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// addresses returns every address of the system: its instances' own, and its links'.
func (f *fixture) addresses(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, in := range f.Topology().Instances() {
		all = append(all, f.address(t, "", in.Name))
	}
	for _, l := range f.Topology().Links() {
		all = append(all, f.address(t, l.From, l.To))
	}
	return all
}

// eventually polls, because what the suite waits for happens in other processes.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for until := time.Now().Add(patience); !is(); {
		if time.Now().After(until) {
			t.Fatalf("after %s it is still not so: %s", patience, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func link(from, to string) topology.Link { return topology.Link{From: from, To: to} }

const loader = topology.Loader + "-1"
