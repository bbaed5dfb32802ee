package runner

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
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
			r, err := chaos.Resolve(step, t, draw)
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
