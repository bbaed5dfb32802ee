package monkey

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bedlamlab/bedlam/topology"
)

// Options say how a monkey behaves. [Defaults] are the ones to begin with.
type Options struct {
	Seed uint64 `json:"seed"`
	// Start is when the schedule begins: hours and quiet periods are read
	// against it.
	Start time.Time `json:"start"`
	// Mean and Least are the mean and the minimum time from the beginning of
	// one fault to that of the next, while it is open. At least one second.
	Mean  topology.Duration `json:"mean"`
	Least topology.Duration `json:"least"`
	// Hold is how long a fault is on: between half of it and half as long
	// again. At least [ShortestHold] and at most [LongestHold].
	Hold topology.Duration `json:"hold"`
	// Hours are when a fault may be on, from its beginning to its end; none:
	// always. Quiet are when none may be.
	Hours []Window `json:"hours,omitempty"`
	Quiet []Window `json:"quiet,omitempty"`
	Caps
}

// Caps are what holds at every moment, for faults of the schedule as for those
// that are asked for.
type Caps struct {
	// Exclude names services, instances and zones that are never harmed, nor
	// any link that begins or ends there.
	Exclude []string `json:"exclude,omitempty"`
	// Share is the most percent of any service's replicas that all live faults
	// together may harm: by themselves, or as the callers of harmed links.
	Share int `json:"share"`
	// Simultaneous is how many faults may be on at once.
	Simultaneous int `json:"simultaneous"`
}

const (
	// ShortestHold is the shortest time that a fault is on for: a probe needs
	// a part of it.
	ShortestHold = time.Second
	// LongestHold is the longest: a fault that somebody forgot ends.
	LongestHold = 10 * time.Minute
	// mostFaults bounds Simultaneous: nobody can tell more apart.
	mostFaults = 16
)

// Defaults are a fault every minute on average, for ten seconds or so: three
// times the shop's breakers' window, and time enough to recover in between.
func Defaults() Options {
	return Options{Seed: 1, Mean: topology.Duration(time.Minute), Least: topology.Duration(30 * time.Second),
		Hold: topology.Duration(10 * time.Second), Caps: Caps{Share: 50, Simultaneous: 1}}
}

// validate says what makes no sense, of a topology.
func (o Options) validate(t topology.System) error {
	switch {
	case o.Least < topology.Duration(time.Second):
		return fmt.Errorf("the minimum time between faults is %s: want at least 1s", o.Least)
	case o.Mean < o.Least:
		return fmt.Errorf("the mean time between faults (%s) is less than the minimum (%s)", o.Mean, o.Least)
	case o.Mean > topology.Duration(farthest):
		return fmt.Errorf("the mean time between faults is %s: want at most %s", o.Mean, topology.Duration(farthest))
	case o.Hold < topology.Duration(ShortestHold) || o.Hold > topology.Duration(LongestHold):
		return fmt.Errorf("faults are on for %s: want %s to %s", o.Hold, ShortestHold, LongestHold)
	case o.Share < 1 || o.Share > 100:
		return fmt.Errorf("a share of %d %%: want 1 to 100", o.Share)
	case o.Simultaneous < 1 || o.Simultaneous > mostFaults:
		return fmt.Errorf("%d faults at once: want 1 to %d", o.Simultaneous, mostFaults)
	}
	for _, name := range o.Exclude {
		if !slices.Contains(t.Zones, name) && !slices.ContainsFunc(t.Instances(), func(in topology.Instance) bool {
			return in.Name == name || in.Service == name
		}) {
			return fmt.Errorf("%s has no service, instance or zone called %q to exclude", t.Name, name)
		}
	}
	if _, ok := o.calendar().advance(o.Start, 0, o.Start.Add(farthest)); !ok {
		return errors.New("within a year there is no hour that is not in a quiet period")
	}
	return nil
}

func (o Options) calendar() calendar { return calendar{o.Hours, o.Quiet} }
