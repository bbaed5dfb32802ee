package topology_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bedlamlab/bedlam/topology"
)

// Each mechanism of an edge can be taken away, alone; the rest, and the system
// itself, stay as they are.
func TestWithout(t *testing.T) {
	whole := topology.Policy{Timeout: 1, Retry: &topology.Retry{Attempts: 2}, Breaker: &topology.Breaker{Requests: 5}, Bulkhead: 3, Hedge: 4, Fallback: "words"}
	s := topology.System{Name: "s", Edges: []topology.Edge{{From: "a", To: "b", Policy: whole}, {From: "b", To: "c", Policy: whole}, {From: "c", To: "d"}}}
	all := whole.Mechanisms()
	if len(all) != 5 {
		t.Fatalf("it has %v", all)
	}
	for _, m := range all {
		got, err := s.Without("b->c", m)
		if err != nil {
			t.Fatal(err)
		}
		left := slices.DeleteFunc(slices.Clone(all), func(x topology.Mechanism) bool { return x == m })
		if is := got.Edges[1].Policy.Mechanisms(); !slices.Equal(is, left) {
			t.Errorf("without %s there are %v, want %v", m, is, left)
		}
		if diff := cmp.Diff(whole, s.Edges[1].Policy); diff != "" {
			t.Errorf("without %s, the system itself has changed: %s", m, diff)
		}
		if diff := cmp.Diff(s.Edges[0], got.Edges[0]); diff != "" || got.Edges[1].Policy.Fallback != "words" {
			t.Errorf("without %s, something else has changed: %s", m, diff)
		}
	}
	for _, c := range [][2]string{{"c->d", "retry"}, {"x->y", "retry"}, {"a->b", "nonsense"}} {
		if _, err := s.Without(c[0], topology.Mechanism(c[1])); err == nil {
			t.Errorf("%v is no error", c)
		}
	}
}
