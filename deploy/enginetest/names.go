package enginetest

import (
	"net"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/names"
	"github.com/bedlamlab/bedlam/deploy/supervise"
)

// told is how caller is told where callee is: by a name, if names are looked up.
func (f *fixture) told(t *testing.T, caller, callee string) string {
	t.Helper()
	a := f.address(t, caller, callee)
	if _, err := deploy.Power[deploy.Namer](f); err != nil {
		return a
	}
	_, port, err := net.SplitHostPort(a)
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort(names.Of(callee), port)
}

// namesAreLookedUp wants each instance to find whom it calls, by this process
// and by another; and a name that is not found to bite who makes a connection,
// also after the relay has died, until the rule goes.
func namesAreLookedUp(t *testing.T, f *fixture, fresh deploy.Engine) {
	if _, err := deploy.Power[deploy.Namer](f); err != nil {
		t.Skip(err)
	}
	shaper, killer := power[deploy.Shaper](t, f), power[deploy.Killer](t, f)
	other := must(fresh.Attach(within(t), f.plan.Scratch))(t)
	// A question that a relay takes with it when it dies is answered by nobody.
	const once = time.Second
	lookUp := func(s deploy.System, caller, callee string) (string, error) {
		all, err := power[deploy.Namer](t, s).LookUp(within(t), caller, callee, 1, once)
		if err != nil {
			return "", err
		}
		return all[0].Code, nil
	}
	finds := func(s deploy.System, caller, callee, want string) {
		t.Helper()
		eventually(t, caller+" asks for "+callee+" and gets "+want, func() bool {
			code, err := lookUp(s, caller, callee)
			return err == nil && code == want
		})
	}
	for _, s := range []deploy.System{f, other} {
		for _, l := range f.Topology().Links() {
			if l.From != loader {
				finds(s, l.From, l.To, names.Found)
			}
		}
		finds(s, "back-1", "front-1", names.Unknown) // whom it does not call
		if code, err := lookUp(s, loader, "front-1"); err == nil {
			t.Errorf("customers are told addresses, and get %s", code)
		}
	}
	r := rule("enginetest/names", "dns_failure", `{"answer":"nxdomain"}`, link("front-1", "pg-1"))
	if err := shaper.Shape(within(t), r); err != nil {
		t.Fatal(err)
	}
	bites := func() {
		t.Helper()
		eventually(t, "front-1 does not find its store, and front-2 does", func() bool {
			finds(f, "front-1", "pg-1", names.Unknown)
			return !f.inspect(t, "front-1").Ready && f.inspect(t, "front-2").Ready
		})
	}
	bites()
	if err := killer.Kill(within(t), supervise.Relay); err != nil {
		t.Fatal(err)
	}
	bites()
	if err := shaper.Unshape(within(t), r.ID); err != nil {
		t.Fatal(err)
	}
	f.whole(t)
}
