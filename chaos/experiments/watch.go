package experiments

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/topology"
)

// A watch of less says nothing that the recovery does not, and whether a system
// stays broken shows in the second minute; longer than ten nobody waits.
const (
	leastWatch = topology.Duration(10 * time.Second)
	mostWatch  = topology.Duration(10 * time.Minute)
)

// watched reports a watch that could see nothing.
func watched(e chaos.Experiment) error {
	switch {
	case e.Watch == 0:
		return nil
	case e.Watch < leastWatch || e.Watch > mostWatch:
		return fmt.Errorf("watch is %s, want %s to %s", e.Watch, leastWatch, mostWatch)
	case !slices.ContainsFunc(e.Method, func(s chaos.Step) bool { return s.Duration > 0 }):
		return errors.New("a watch begins when the trigger has gone: give a step a duration")
	case e.Abort > 0:
		return errors.New("abort would end the watch of a system that does badly, which is what it is for: leave one of them out")
	}
	return nil
}
