package chaos

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/bedlamlab/bedlam/topology"
)

// Resolve chooses what a step leaves open: its victims or links, and the seed
// of the fault's own draws. It is a pure function of its arguments; draw is
// where chance comes from. The caller names the harm ([Resolved.ID]).
func Resolve(step Step, t topology.System, draw *rand.Rand) (Resolved, error) {
	r := Resolved{Action: step.Action, Direction: step.Direction, Args: RawArgs(step.Args),
		At: step.At, Duration: step.Duration, Seed: draw.Uint64()}
	candidates, err := Select(t, step.Selector)
	if err != nil {
		return r, err
	}
	picked, err := pick(candidates, step, draw)
	if err != nil {
		return r, err
	}
	if err := WithinShare(picked, step.Share, t); err != nil {
		return r, err
	}
	if step.Target == nil {
		for _, in := range picked {
			r.Instances = append(r.Instances, in.Name)
		}
		return r, nil
	}
	callees, err := Select(t, *step.Target)
	if err != nil {
		return r, err
	}
	if r.Links = LinksBetween(t, picked, callees); len(r.Links) == 0 {
		return r, errors.New("no edge leads from its selector to its target")
	}
	return r, nil
}

// pick draws as many of the candidates as the mode says and returns them in
// the topology's order. More than there are is an error: less harm than was
// asked for would be taken for all of it.
func pick(all []topology.Instance, step Step, draw *rand.Rand) ([]topology.Instance, error) {
	n := step.Of(len(all))
	if n > len(all) {
		return nil, fmt.Errorf("mode fixed asks for %d instances, and its selector picks only %d", n, len(all))
	}
	chosen := draw.Perm(len(all))[:n]
	slices.Sort(chosen)
	var picked []topology.Instance
	for _, i := range chosen {
		picked = append(picked, all[i])
	}
	return picked, nil
}

// Of returns how many of n selected instances the mode asks for; with Fixed, more
// than n perhaps.
func (s Spec) Of(n int) int {
	switch s.Mode {
	case One, "":
		return 1
	case Fixed:
		return s.Value
	case Percent:
		return (n*s.Value + 99) / 100 // rounded up: a percentage never means nobody
	}
	return n
}

// WithinShare refuses a harm to more than percent of any service's replicas.
// Each of picked counts once; of several services the first in picked's order
// that is harmed too much is named.
func WithinShare(picked []topology.Instance, percent int, t topology.System) error {
	harmed := map[string]int{}
	for _, in := range picked {
		harmed[in.Service]++
	}
	for _, in := range picked {
		if n, of := harmed[in.Service], len(t.InstancesOf(in.Service)); n*100 > percent*of {
			return fmt.Errorf("it would harm %d of %d replicas of %s, more than the share of %d %% that it states", n, of, in.Service, percent)
		}
	}
	return nil
}
