package experiments

import (
	"fmt"
	"slices"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/topology"
)

// mostAtOnce is how many steps may be on at the same time. The built-in
// experiments have three at most; of more than eight, nobody could say which of
// them a request has failed by.
const mostAtOnce = 8

// bounded refuses steps that are on at the same time, at any moment, and are too
// many, or together might harm more of a service, with some seed, than one of them
// allows by its share. A step answers for itself and for those that allow no more
// than it does: beside one that may harm all of a service, another one may still
// harm half of it and no more.
func bounded(steps []chaos.Step, t topology.System) error {
	for at, last := range steps {
		live := beside(steps, at)
		if len(live) > mostAtOnce {
			return fmt.Errorf("step %d (%s) would be on with %d others: at most %d may be on at the same time", at+1, last.Action, len(live)-1, mostAtOnce)
		}
		for _, n := range live {
			if err := withinShare(steps, live, n, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// beside returns the steps that are on when one begins, itself among them. That
// no more are on at any moment follows: the last of those that are has begun.
func beside(steps []chaos.Step, last int) (live []int) {
	when := func(n int) chaos.Resolved { return chaos.Resolved{At: steps[n].At, Duration: steps[n].Duration} }
	for n := range steps {
		if steps[n].At <= steps[last].At && chaos.Overlap(when(n), when(last)) {
			live = append(live, n)
		}
	}
	return live
}

// withinShare refuses what the live steps that allow no more than one of them
// harm together, if it is more than that.
func withinShare(steps []chaos.Step, live []int, one int, t topology.System) error {
	most := steps[one].Share
	var harms []harm
	for _, n := range live {
		if steps[n].Share <= most {
			h, err := harmOf(steps[n], t)
			if err != nil {
				return err
			}
			harms = append(harms, h)
		}
	}
	if len(harms) < 2 {
		return nil // alone, it is held to its share when its victims are drawn
	}
	for _, v := range t.Services {
		if n, of := union(harms, v.Name), v.Replicas; n*100 > most*of {
			return fmt.Errorf("step %d (%s) and those that are on at the same time would harm %d of %d replicas of %s, more than the share of %d %% that it states", one+1, steps[one].Action, n, of, v.Name, most)
		}
	}
	return nil
}

// A harm is how many instances of which a step harms.
type harm struct {
	of   []topology.Instance
	most int
}

func harmOf(step chaos.Step, t topology.System) (harm, error) {
	of, err := chaos.Select(t, step.Selector)
	return harm{of, step.Of(len(of))}, err
}

// union is how many instances of a service the harms might reach together: each
// chooses as many as it may, as far as possible other ones than the others do.
// That is a matching, and grows by one path after the other.
func union(harms []harm, service string) int {
	chosen := map[string]int{} // the choice that fell on each instance
	var choices [][]string
	for _, h := range harms {
		var names []string
		for _, in := range h.of {
			if in.Service == service {
				names = append(names, in.Name)
			}
		}
		for range min(h.most, len(names)) {
			choices = append(choices, names)
		}
	}
	var settle func(choice int, seen []string) ([]string, bool)
	settle = func(choice int, seen []string) ([]string, bool) {
		for _, name := range choices[choice] {
			if slices.Contains(seen, name) {
				continue
			}
			seen = append(seen, name)
			other, taken := chosen[name]
			if taken {
				var moved bool
				if seen, moved = settle(other, seen); !moved {
					continue
				}
			}
			chosen[name] = choice
			return seen, true
		}
		return seen, false
	}
	for choice := range choices {
		settle(choice, nil)
	}
	return len(chosen)
}
