package runner

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/topology"
)

// shift bounds the random delay of an experiment's first fault, so that seeds
// differ in the moment at which they strike. A second is long beside any
// request and short beside the fault phase.
const shift = time.Second

// Schedule chooses what a seed decides: victims and moments. It is a pure
// function of its arguments, and each experiment draws from a stream of its
// own name, so that alone it has the schedule that it has in a suite.
func Schedule(seed uint64, suite string, es []chaos.Experiment, t topology.System) (chaos.Schedule, error) {
	s := chaos.Schedule{Schema: "bedlam.schedule/1", Seed: seed, Suite: suite}
	for _, e := range es {
		draw := rand.New(rand.NewPCG(seed, hash(e.Name)))
		late := topology.Duration(time.Duration(draw.Int64N(int64(shift))).Round(time.Millisecond))
		scheduled := chaos.ScheduledExperiment{Name: e.Name}
		for i, step := range e.Method {
			r, err := resolve(step, t, draw)
			if err != nil {
				return s, fmt.Errorf("%s: step %d (%s): %w", e.Name, i+1, step.Action, err)
			}
			r.ID = fmt.Sprintf("%s/%d", e.Name, i+1)
			r.At += late
			scheduled.Faults = append(scheduled.Faults, r)
		}
		s.Experiments = append(s.Experiments, scheduled)
	}
	return s, nil
}

func hash(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name)) // a hash's Write never fails
	return h.Sum64()
}

func resolve(step chaos.Step, t topology.System, draw *rand.Rand) (chaos.Resolved, error) {
	r := chaos.Resolved{Action: step.Action, Direction: step.Direction, Args: chaos.RawArgs(step.Args),
		At: step.At, Duration: step.Duration, Seed: draw.Uint64()}
	candidates, err := chaos.Select(t, step.Selector)
	if err != nil {
		return r, err
	}
	picked, err := pick(candidates, step, draw)
	if err != nil {
		return r, err
	}
	if err := share(picked, step.Share, t); err != nil {
		return r, err
	}
	if step.Target == nil {
		for _, in := range picked {
			r.Instances = append(r.Instances, in.Name)
		}
		return r, nil
	}
	callees, err := chaos.Select(t, *step.Target)
	if err != nil {
		return r, err
	}
	if r.Links = chaos.LinksBetween(t, picked, callees); len(r.Links) == 0 {
		return r, fmt.Errorf("no edge leads from its selector to its target")
	}
	return r, nil
}

// pick draws as many of the candidates as the mode says and returns them in
// the topology's order. More than there are is an error: less harm than was
// asked for would be taken for all of it.
func pick(all []topology.Instance, step chaos.Step, draw *rand.Rand) ([]topology.Instance, error) {
	n := len(all)
	switch step.Mode {
	case chaos.One, "":
		n = 1
	case chaos.Fixed:
		if step.Value > n {
			return nil, fmt.Errorf("mode fixed asks for %d instances, and its selector picks only %d", step.Value, n)
		}
		n = step.Value
	case chaos.Percent:
		n = (n*step.Value + 99) / 100 // rounded up: a percentage never means nobody
	}
	chosen := draw.Perm(len(all))[:n]
	slices.Sort(chosen)
	var picked []topology.Instance
	for _, i := range chosen {
		picked = append(picked, all[i])
	}
	return picked, nil
}

// share refuses a harm to more than percent of any service's replicas.
func share(picked []topology.Instance, percent int, t topology.System) error {
	harmed := map[string]int{}
	for _, in := range picked {
		harmed[in.Service]++
	}
	for service, n := range harmed {
		if of := len(t.InstancesOf(service)); n*100 > percent*of {
			return fmt.Errorf("it would harm %d of %d replicas of %s, more than the share of %d %% that it states", n, of, service, percent)
		}
	}
	return nil
}
