package fault

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
)

// surgeKinds are who may come in a surge.
var surgeKinds = []string{loadgen.Mixed, loadgen.Browse, loadgen.Fill, loadgen.Buy, loadgen.Prefetch}

func init() {
	registerWave(Kind{Name: "surge",
		Doc: "Lets many times as many come as usual: customers of all kinds or of one, or the prefetching of their browsers.",
		Params: "factor: 1.5 to 20, how many times the run's rate arrives in all; kind: " + strings.Join(surgeKinds, ", ") +
			"; all unless given; a prefetch is one page, asked for with Sec-Purpose: prefetch",
		build: func(r chaos.Resolved) (chaos.Fault, error) {
			p := struct {
				Factor float64 `json:"factor"`
				Kind   string  `json:"kind"`
			}{Kind: loadgen.Mixed}
			if err := decode(r.Args, &p); err != nil {
				return nil, err
			}
			if !slices.Contains(surgeKinds, p.Kind) {
				return nil, fmt.Errorf("unknown kind %q (want one of %s)", p.Kind, strings.Join(surgeKinds, ", "))
			}
			return newWave(r, loadgen.Surge{Factor: p.Factor, Kind: p.Kind}), more(p.Factor)
		}})
}
