package chaos

import (
	"errors"
	"fmt"
	"slices"

	"github.com/bedlamlab/bedlam/topology"
)

// Select returns the instances that a selector picks, in the topology's order.
// It is an error to select by a name that the topology has not got, or to
// match nothing.
func Select(t topology.System, s Selector) ([]topology.Instance, error) {
	if s.Empty() {
		return nil, errors.New("an empty selector would harm everything: name services, instances, zones or tiers")
	}
	all := append(t.InstancesOf(topology.Loader), t.Instances()...)
	var names, services, tiers []string
	tier := func(in topology.Instance) string {
		service, _ := t.Service(in.Service)
		return service.Tier
	}
	for _, in := range all {
		names = append(names, in.Name)
		services = append(services, in.Service)
		tiers = append(tiers, tier(in))
	}
	for what, pair := range map[string][2][]string{
		"service": {s.Services, services}, "instance": {s.Instances, names}, "zone": {s.Zones, t.Zones}, "tier": {s.Tiers, tiers},
	} {
		for _, name := range pair[0] {
			if !slices.Contains(pair[1], name) {
				return nil, fmt.Errorf("%s has no %s called %q", t.Name, what, name)
			}
		}
	}
	picked := slices.DeleteFunc(all, func(in topology.Instance) bool {
		return len(s.Services) > 0 && !slices.Contains(s.Services, in.Service) ||
			len(s.Instances) > 0 && !slices.Contains(s.Instances, in.Name) ||
			len(s.Zones) > 0 && !slices.Contains(s.Zones, in.Zone) ||
			len(s.Tiers) > 0 && !slices.Contains(s.Tiers, tier(in))
	})
	if len(picked) == 0 {
		return nil, errors.New("the selector matches no instance")
	}
	return picked, nil
}

// LinksBetween returns the topology's links from some callers to some callees.
func LinksBetween(t topology.System, callers, callees []topology.Instance) []topology.Link {
	has := func(set []topology.Instance, name string) bool {
		return slices.ContainsFunc(set, func(in topology.Instance) bool { return in.Name == name })
	}
	return slices.DeleteFunc(t.Links(), func(l topology.Link) bool {
		return !has(callers, l.From) || !has(callees, l.To)
	})
}
