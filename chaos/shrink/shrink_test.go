package shrink_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/experiments"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/chaos/runner"
	"github.com/bedlamlab/bedlam/chaos/shrink"
	"github.com/bedlamlab/bedlam/services"
	"github.com/bedlamlab/bedlam/topology"
)

var anything = shrink.Rules{Fits: func(chaos.Experiment) error { return nil }, Milder: fault.Milder}

// explicit is a built-in experiment with what the seed chose for it.
func explicit(t *testing.T, name string, seed uint64) chaos.Experiment {
	t.Helper()
	es, err := experiments.Find([]string{name})
	if err != nil {
		t.Fatal(err)
	}
	s, err := runner.Schedule(seed, name, es, services.Shop())
	if err != nil {
		t.Fatal(err)
	}
	e, err := shrink.Explicit(es[0], s.Experiments[0], 8*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// An explicit experiment has the same victims with any seed.
func TestExplicit(t *testing.T) {
	all, err := experiments.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, was := range all {
		e := explicit(t, was.Name, 7)
		schedule := func(e chaos.Experiment, seed uint64) chaos.ScheduledExperiment {
			s, err := runner.Schedule(seed, e.Name, []chaos.Experiment{e}, services.Shop())
			if err != nil {
				t.Fatalf("%s: %v", e.Name, err)
			}
			return s.Experiments[0]
		}
		first := schedule(was, 7)
		for _, seed := range []uint64{7, 8} {
			again := schedule(e, seed)
			for i, r := range again.Faults {
				if !slices.Equal(r.Instances, first.Faults[i].Instances) || !subset(first.Faults[i].Links, r.Links) {
					t.Errorf("%s, seed %d: %v and %v, want %v and %v", e.Name, seed, r.Instances, r.Links, first.Faults[i].Instances, first.Faults[i].Links)
				}
			}
		}
	}
}

func subset(a, b []topology.Link) bool {
	return !slices.ContainsFunc(a, func(l topology.Link) bool { return !slices.Contains(b, l) })
}

// What fails only with one payment behind a slow bank for three seconds, at
// 300 ms and more, is reduced to that.
func TestReduce(t *testing.T) {
	e := explicit(t, "bank-slow-then-cut-off", 1)
	e.Method = append(e.Method, explicit(t, "recommend-down", 1).Method...)
	runs := 0
	small, err := shrink.Reduce(t.Context(), e, anything, func(_ context.Context, c chaos.Experiment) (bool, error) {
		runs++
		return slices.ContainsFunc(c.Method, func(s chaos.Step) bool {
			return s.Action == "latency" && slices.Contains(s.Selector.Instances, "payment-2") && s.Duration.D() >= 3*time.Second && latency(t, s) >= 300*time.Millisecond
		}), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := shrink.Of(small); got.Steps != 1 || got.Victims != 2 || got.Harm != 3*time.Second {
		t.Errorf("reduced to %+v: %+v", got, small.Method)
	}
	if got := latency(t, small.Method[0]); got < 300*time.Millisecond || got >= 600*time.Millisecond {
		t.Errorf("the latency is %s, want what cannot be halved", got)
	}
	t.Logf("%d runs", runs)
}

func latency(t *testing.T, s chaos.Step) time.Duration {
	t.Helper()
	text, ok := argument(s.Args, "latency")
	if !ok {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Whatever parts it takes to fail, a reduction keeps those and no other, makes
// no experiment without a step, and asks nothing twice in a row of no effect.
func TestReduceIsMinimal(t *testing.T) {
	whole := explicit(t, "bank-slow-then-cut-off", 1)
	for _, name := range []string{"recommend-down", "catalog-replica-paused", "gateway-replica-killed", "inventory-cut-off-from-checkout"} {
		whole.Method = append(whole.Method, explicit(t, name, 1).Method...)
	}
	rapid.Check(t, func(t *rapid.T) {
		needed := rapid.SliceOfNDistinct(rapid.IntRange(0, len(whole.Method)-1), 1, 3, rapid.ID[int]).Draw(t, "needed")
		small, err := shrink.Reduce(context.Background(), whole, anything, func(_ context.Context, c chaos.Experiment) (bool, error) {
			if len(c.Method) == 0 {
				t.Fatal("an experiment without a step was tried")
			}
			for _, i := range needed {
				if !slices.ContainsFunc(c.Method, func(s chaos.Step) bool { return s.Action == whole.Method[i].Action && about(s, whole.Method[i]) }) {
					return false, nil
				}
			}
			return true, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(small.Method) != len(needed) {
			t.Errorf("%d steps are left, want %d", len(small.Method), len(needed))
		}
	})
}

// about reports whether a step harms some of what another did.
func about(s, of chaos.Step) bool {
	some := func(a, b []string) bool {
		return slices.ContainsFunc(a, func(n string) bool { return slices.Contains(b, n) })
	}
	return some(s.Selector.Instances, of.Selector.Instances) && (of.Target == nil || some(s.Target.Instances, of.Target.Instances))
}

// With no runs left, what was found until then is the result.
func TestSpent(t *testing.T) {
	e := explicit(t, "bank-slow-then-cut-off", 1)
	runs := 0
	small, err := shrink.Reduce(t.Context(), e, anything, func(_ context.Context, c chaos.Experiment) (bool, error) {
		if runs++; runs > 1 {
			return false, shrink.ErrSpent
		}
		return true, nil
	})
	if !errors.Is(err, shrink.ErrSpent) || len(small.Method) != 1 {
		t.Errorf("%d steps, %v", len(small.Method), err)
	}
	if diff := cmp.Diff(len(e.Method), 2); diff != "" {
		t.Errorf("the experiment itself was changed: %s", diff)
	}
}

// What is no experiment of the system is never run.
func TestMisfits(t *testing.T) {
	e := explicit(t, "bank-slow-then-cut-off", 1)
	_, err := shrink.Reduce(t.Context(), e, shrink.Rules{Fits: func(chaos.Experiment) error { return errors.New("no") }, Milder: fault.Milder}, func(context.Context, chaos.Experiment) (bool, error) {
		t.Error("it was run")
		return false, nil
	})
	if err != nil {
		t.Error(err)
	}
}
