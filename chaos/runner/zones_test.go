package runner_test

import (
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/runner"
	"github.com/bedlamlab/bedlam/services"
	"github.com/bedlamlab/bedlam/topology"
)

// A zone is all that stands in it: where that is the only replica of a service,
// the experiment has to say that it means it, or leave that tier out.
func TestAZoneIsAllThatStandsInIt(t *testing.T) {
	shop := services.Shop()
	zone := func(share int, tiers ...string) ([]string, error) {
		step := chaos.Step{Share: share, Spec: chaos.Spec{Action: "kill", Mode: chaos.All, Selector: chaos.Selector{Zones: []string{"a"}, Tiers: tiers}}}
		s, err := runner.Schedule(1, "x", []chaos.Experiment{{Name: "e", Method: []chaos.Step{step}}}, shop)
		if err != nil {
			return nil, err
		}
		return s.Experiments[0].Faults[0].Instances, nil
	}
	if in, err := zone(50); err == nil || !strings.Contains(err.Error(), "1 of 1 replicas of ") {
		t.Errorf("with stores and all, and a share of half, zone a is %q, %v", in, err)
	}
	in, err := zone(100)
	if all := len(standing(shop, "a")); err != nil || len(in) != all {
		t.Errorf("all of zone a is %q, %v; want all %d", in, err, all)
	}
	in, err = zone(50, "web", "services", "async")
	if err != nil || len(in) == 0 {
		t.Fatalf("zone a without stores: %q, %v", in, err)
	}
	for _, name := range in {
		if !strings.HasSuffix(name, "-1") { // the second replica of each stands in zone b
			t.Errorf("%s is harmed with zone a", name)
		}
	}
}

func standing(t topology.System, zone string) []string {
	var all []string
	for _, in := range t.Instances() {
		if in.Zone == zone {
			all = append(all, in.Name)
		}
	}
	return all
}

// What is cut between two zones is every edge between them, and none within.
func TestTheEdgesBetweenZones(t *testing.T) {
	shop := services.Shop()
	zone := map[string]string{}
	for _, in := range shop.Instances() {
		zone[in.Name] = in.Zone
	}
	s := schedule(t, 1, "zones-cut-off")
	cut := map[topology.Link]bool{}
	for i, f := range s.Experiments[0].Faults {
		from, to := []string{"a", "b"}[i], []string{"b", "a"}[i]
		for _, l := range f.Links {
			if zone[l.From] != from || zone[l.To] != to {
				t.Errorf("step %d cuts %s, which leads from zone %s to zone %s", i+1, l, zone[l.From], zone[l.To])
			}
			cut[l] = true
		}
	}
	stands := func(in string) bool { // on a tier that is spread over zones
		v, _ := shop.Service(in[:strings.LastIndexByte(in, '-')])
		return v.Tier != "store" && v.Tier != "third-party" && v.Name != ""
	}
	for _, l := range shop.Links() {
		if want := stands(l.From) && stands(l.To) && zone[l.From] != zone[l.To]; cut[l] != want {
			t.Errorf("%s is cut: %t, want %t", l, cut[l], want)
		}
	}
}
