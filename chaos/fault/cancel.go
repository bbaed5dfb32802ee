package fault

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/topology"
)

// cancelKinds are who may hang up.
var cancelKinds = []string{loadgen.Browse, loadgen.Fill, loadgen.Buy}

func init() {
	registerWave(Kind{Name: "cancel",
		Doc: "Sends others beside the customers who do not wait for their answers: they hang up after a stated time, whether or not their request has had its effect.",
		Params: "after: 1ms to 2s; factor: 1.5 to 20, how many times the run's rate arrives in all, 2 unless given; kind: browse (impatient with every page), " +
			"cart (with the last thing that they put into it) or buy (with the checkout); buy unless given",
		build: func(r chaos.Resolved) (chaos.Fault, error) {
			p := struct {
				After  topology.Duration `json:"after"`
				Factor float64           `json:"factor"`
				Kind   string            `json:"kind"`
			}{Factor: 2, Kind: loadgen.Buy}
			if err := decode(r.Args, &p); err != nil {
				return nil, err
			}
			switch after := p.After.D(); {
			case after < time.Millisecond || after > 2*time.Second:
				return nil, fmt.Errorf("after must be between 1ms and 2s, it is %s", after)
			case !slices.Contains(cancelKinds, p.Kind):
				return nil, fmt.Errorf("unknown kind %q (want one of %s)", p.Kind, strings.Join(cancelKinds, ", "))
			}
			return newWave(r, loadgen.Surge{Factor: p.Factor, Kind: p.Kind, Patience: p.After.D()}), more(p.Factor)
		}})
}
