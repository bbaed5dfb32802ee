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
// of an engine's but of process. Auto is none unless a fault needs more: two
// more stacks on each call's way cost an eighth of the processor's time. Names
// are for who needs them, too.
func (o Options) isolated(es ...chaos.Experiment) (Options, error) {
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
	some := func(is func(action string) bool) bool {
		return slices.ContainsFunc(es, func(e chaos.Experiment) bool {
			return slices.ContainsFunc(e.Method, func(s chaos.Step) bool { return is(s.Action) })
		})
	}
	if o.auto && some(fault.Isolates) {
		o.Isolation = process.Auto
	}
	o.names = some(fault.Names)
	var err error
	if o.Isolation, err = process.New(process.Options{Isolation: o.Isolation}).Isolation(); err != nil {
		err = usage("%w", err)
	}
	return o, err
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
