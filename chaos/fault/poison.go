package fault

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
)

func init() {
	registerWave(Kind{Name: "poison",
		Doc:    "Sends requests that anybody may send and nobody needs: a huge quantity, the page after the last, a query of 12 KiB, a body of 64 KiB or one nested 15000 deep.",
		Params: "requests: 1 to 500 a second, 20 unless given; dose: " + strings.Join(loadgen.Doses, ", ") + "; all of them by turns unless given",
		build: func(r chaos.Resolved) (chaos.Fault, error) {
			p := struct {
				Requests float64 `json:"requests"`
				Dose     string  `json:"dose"`
			}{Requests: 20}
			if err := decode(r.Args, &p); err != nil {
				return nil, err
			}
			switch {
			case !(p.Requests >= 1 && p.Requests <= 500):
				return nil, fmt.Errorf("requests must be between 1 and 500 a second, it is %v", p.Requests)
			case p.Dose != "" && !slices.Contains(loadgen.Doses, p.Dose):
				return nil, fmt.Errorf("unknown dose %q (want one of %s)", p.Dose, strings.Join(loadgen.Doses, ", "))
			}
			return newWave(r, loadgen.Surge{Rate: p.Requests, Dose: p.Dose, Kind: loadgen.Poison}), nil
		}})
}
