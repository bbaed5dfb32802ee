package enginetest

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

func everythingAnswers(t *testing.T, f *fixture) {
	if diff := cmp.Diff(f.plan.Topology, f.Topology()); diff != "" {
		t.Errorf("the topology is not the plan's:\n%s", diff)
	}
	seen := map[string]bool{}
	for _, address := range f.addresses(t) {
		if seen[address] {
			t.Errorf("address %s is given twice", address)
		}
		seen[address] = true
	}
	for _, in := range f.Topology().Instances() {
		st := f.inspect(t, in.Name)
		if st.Phase != deploy.Running || !st.Ready || st.Starts != 1 || st.Held {
			t.Errorf("%s is %+v, want it running and ready since its first start", in.Name, st)
		}
		for _, kind := range []string{"started", "ready"} {
			if !f.heard(kind, in.Name) {
				t.Errorf("nobody told that %s was %s", in.Name, kind)
			}
		}
	}
	for _, caller := range []string{"", loader} {
		for _, in := range f.Topology().InstancesOf(front) {
			var w who
			if err := get(within(t), f.address(t, caller, in.Name), "/who", &w); err != nil {
				t.Fatal(err)
			}
			if got := w.Assignment.Instance; got != in {
				t.Errorf("%q asked %s, and %+v answered", caller, in.Name, got)
			}
			// As a process of this machine it must be the one that Inspect names.
			if st := f.inspect(t, in.Name); st.PID != 0 && st.PID != w.PID && w.PID > 1 {
				t.Errorf("%s says it is process %d, Inspect says %d", in.Name, w.PID, st.PID)
			}
		}
	}
	for _, caller := range []string{"", "front-1", "front-2"} {
		for _, in := range f.Topology().InstancesOf(back) {
			if err := healthy(within(t), f.address(t, caller, in.Name)); err != nil {
				t.Errorf("%q asked %s: %v", caller, in.Name, err)
			}
		}
	}
}

// assignment looks at what an instance was told: the relay's addresses, or with
// names the names that have them, and its own store, and nothing of our environment.
func assignment(t *testing.T, f *fixture) {
	var w who
	if err := get(within(t), f.address(t, "", "front-2"), "/who", &w); err != nil {
		t.Fatal(err)
	}
	want := map[string][]topology.Peer{back: {
		{Instance: "back-1", Address: f.told(t, "front-2", "back-1")},
		{Instance: "back-2", Address: f.told(t, "front-2", "back-2")},
	}}
	if diff := cmp.Diff(want, w.Assignment.Peers); diff != "" {
		t.Errorf("its peers are not those behind the relay:\n%s", diff)
	}
	if got, want := w.Assignment.Policies[back], f.plan.Topology.Edges[1].Policy; got != want {
		t.Errorf("its policy for %s is %+v, want %+v", back, got, want)
	}
	if got, want := w.Assignment.Store, f.told(t, "front-2", "pg-1"); !strings.Contains(got, "@"+want+"/") {
		t.Errorf("its store is not behind the relay at %s", want)
	}
	if got := w.Assignment.StoreInstance; got != "pg-1" {
		t.Errorf("its store's instance is %q, want pg-1", got)
	}
	if i := slices.IndexFunc(w.Environment, func(v string) bool {
		name, value, _ := strings.Cut(v, "=")
		// A container's runtime sets three of its own, to other values than ours.
		runtime := slices.Contains([]string{"PATH", "HOSTNAME", "HOME"}, name) && value != os.Getenv(name)
		return name != "SHOP_ASSIGNMENT" && !runtime
	}); i >= 0 {
		t.Errorf("it sees %q of our environment", w.Environment[i])
	}
}

func unknownNames(t *testing.T, f *fixture) {
	for _, c := range []struct{ caller, callee, why string }{
		{"", "front-3", "there are two fronts"},
		{"", "", "no callee"},
		{"loader-1", "back-1", "the loader does not call back"},
		{"back-1", "front-1", "back does not call front"},
		{"front", "back-1", "a service is no instance"},
	} {
		if a, err := f.Address(c.caller, c.callee); err == nil {
			t.Errorf("Address(%q, %q) = %s although %s", c.caller, c.callee, a, c.why)
		}
	}
	if p, err := deploy.Power[deploy.Inspector](f); err == nil {
		if st, err := p.Inspect(within(t), "front-3"); err == nil {
			t.Errorf("Inspect of an unknown instance says %+v", st)
		}
	}
	if p, err := deploy.Power[deploy.Killer](f); err == nil && p.Kill(within(t), "front-3") == nil {
		t.Error("Kill of an unknown instance is no error")
	}
	if p, err := deploy.Power[deploy.Holder](f); err == nil && p.Hold(within(t), "../front-1") == nil {
		t.Error("Hold of an unknown instance is no error")
	}
	if p, err := deploy.Power[deploy.Databaser](f); err == nil {
		for _, c := range [][2]string{{store, "nobody"}, {"nowhere", front}} {
			if dsn, err := p.DSN(c[0], c[1]); err == nil {
				t.Errorf("DSN(%q, %q) = %s", c[0], c[1], dsn)
			}
		}
	}
}
