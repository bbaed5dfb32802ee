package bedlam

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bedlamlab/bedlam/deploy/cell"
	"github.com/bedlamlab/bedlam/deploy/process"
)

// isolations are those that may be asked for.
var isolations = []string{process.Auto, process.None, process.Full}

// isolated returns o with the isolation that its instances get, which is none
// of an engine's but of process.
func (o Options) isolated() (Options, error) {
	if o.Engine != "process" {
		if o.Isolation != "" {
			return o, usage("engine %s isolates its instances by itself: --isolation is for process", o.Engine)
		}
		return o, nil
	}
	if o.Isolation != "" && !slices.Contains(isolations, o.Isolation) {
		return o, usage("unknown isolation %q (want one of %s)", o.Isolation, strings.Join(isolations, ", "))
	}
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
