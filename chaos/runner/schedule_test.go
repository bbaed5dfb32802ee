package runner_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/experiments"
	"github.com/bedlamlab/bedlam/chaos/runner"
	"github.com/bedlamlab/bedlam/services"
)

func schedule(t *testing.T, seed uint64, words ...string) chaos.Schedule {
	t.Helper()
	es, err := experiments.Find(words)
	if err != nil {
		t.Fatal(err)
	}
	s, err := runner.Schedule(seed, "x", es, services.Shop())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func bytesOf(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTheSameSeedGivesTheSameSchedule(t *testing.T) {
	if a, b := bytesOf(t, schedule(t, 7, "default")), bytesOf(t, schedule(t, 7, "default")); !bytes.Equal(a, b) {
		t.Error(cmp.Diff(string(a), string(b)))
	}
	if a, b := bytesOf(t, schedule(t, 7, "default")), bytesOf(t, schedule(t, 8, "default")); bytes.Equal(a, b) {
		t.Error("two seeds give one schedule")
	}
}

// TestAloneAsInTheSuite holds each experiment's own schedule against its part
// of the suite's.
func TestAloneAsInTheSuite(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		seed := rapid.Uint64().Draw(r, "seed")
		suite := schedule(t, seed, "default")
		if len(suite.Experiments) != 8 {
			t.Fatalf("the default suite has %d experiments, want 8", len(suite.Experiments))
		}
		for _, e := range suite.Experiments {
			if diff := cmp.Diff(e, schedule(t, seed, e.Name).Experiments[0]); diff != "" {
				r.Fatal(diff)
			}
		}
	})
}

// TestASeedIsForEver pins a schedule: recorded seeds must mean the same in
// later versions.
func TestASeedIsForEver(t *testing.T) {
	b, err := json.MarshalIndent(schedule(t, 1, "default"), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "schedule-seed1", string(b)+"\n")
}

func TestShareIsKept(t *testing.T) {
	step := func(mode chaos.Mode, value, share int, services ...string) chaos.Experiment {
		return chaos.Experiment{Name: "e", Method: []chaos.Step{{Share: share,
			Spec: chaos.Spec{Action: "kill", Mode: mode, Value: value, Selector: chaos.Selector{Services: services}}}}}
	}
	for _, c := range []struct {
		e    chaos.Experiment
		want string // in the error; empty: none
		why  string
	}{
		{step(chaos.One, 0, 50, "cart"), "", "one of two is half"},
		{step(chaos.All, 0, 50, "cart"), "2 of 2 replicas of cart", "all is more than half"},
		{step(chaos.All, 0, 100, "cart"), "", "the experiment states more"},
		{step(chaos.One, 0, 50, "bank"), "1 of 1 replicas of bank", "the only one is all of it"},
		{step(chaos.Percent, 1, 50, "cart"), "", "a percentage is rounded up, never to nobody"},
		{step(chaos.Fixed, 2, 100, "cart"), "", "as many as there are is all"},
		{step(chaos.Fixed, 9, 100, "cart"), "asks for 9 instances, and its selector picks only 2", "more than there are is not quietly all"},
		{step(chaos.All, 0, 50, "cart", "orders"), "2 of 2 replicas", "each service counts for itself"},
	} {
		_, err := runner.Schedule(1, "x", []chaos.Experiment{c.e}, services.Shop())
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", c.why, err, c.want)
		}
	}
}

// TestVictimsAreSpread: over many seeds both replicas are hit.
func TestVictimsAreSpread(t *testing.T) {
	hit := map[string]int{}
	for seed := range uint64(200) {
		for _, in := range schedule(t, seed, "gateway-replica-killed").Experiments[0].Faults[0].Instances {
			hit[in]++
		}
	}
	// Each is Binomial(200, 1/2): fewer than 60 has a chance of one in 10^8.
	if hit["gateway-1"] < 60 || hit["gateway-2"] < 60 {
		t.Errorf("victims of 200 seeds: %v", hit)
	}
}
