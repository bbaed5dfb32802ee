package bedlam

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/deploy/cell"
	"github.com/bedlamlab/bedlam/deploy/process"
)

// isolations are those that may be asked for.
var isolations = []string{process.Auto, process.None, process.Full}

// isolated returns o with the isolation that its instances get, which is none
// of an engine's but of process. Auto is none unless one of the faults, named by
// their actions, needs more: two more stacks on each call's way cost an eighth of
// the processor's time. Names are for who needs them, too.
func (o Options) isolated(actions ...string) (Options, error) {
	o.names, o.disks = slices.ContainsFunc(actions, fault.Names), slices.ContainsFunc(actions, fault.Disks)
	if o.Engine != "process" {
		if o.Isolation != "" {
			return o, usage("engine %s isolates its instances by itself: --isolation is for process", o.Engine)
		}
		return o, nil
	}
	if o.Isolation != "" && !slices.Contains(isolations, o.Isolation) {
		return o, usage("unknown isolation %q (want one of %s)", o.Isolation, strings.Join(isolations, ", "))
	}
	if o.Isolation == "" || o.Isolation == process.Auto {
		o.auto, o.Isolation = true, process.None
	}
	if o.auto && slices.ContainsFunc(actions, fault.Isolates) {
		o.Isolation = process.Auto
	}
	o.disks = o.auto && o.disks || o.Isolation == process.Full && !o.auto
	var err error
	if o.Isolation, err = process.New(process.Options{Isolation: o.Isolation}).Isolation(); err != nil {
		// Of what was asked for nothing is wrong: it is this machine that cannot.
		err = fmt.Errorf("--isolation %s: %w", process.Full, err)
	}
	return o, err
}

// actionsOf are the faults of experiments.
func actionsOf(es []chaos.Experiment) (actions []string) {
	for _, e := range es {
		for _, s := range e.Method {
			actions = append(actions, s.Action)
		}
	}
	return actions
}

func isolationFact() Fact {
	f := Fact{Name: "isolation", Hint: "without it, --isolation none: faults of packets and of memory need it, or --engine docker"}
	if err := cell.Try(); err != nil {
		f.Text = err.Error()
		return f
	}
	f.OK, f.Text = true, fmt.Sprintf("each instance can have a network namespace and cgroups of its own: --isolation %s", process.Full)
	return f
}
