package relay

import (
	"errors"
	"math/rand/v2"

	"github.com/bedlamlab/bedlam/deploy"
)

func init() {
	register(Kind{
		Name: "reset",
		Doc: "Ends connections with a TCP reset towards both sides: live ones at once, new ones right after they are accepted. " +
			"A reset has no direction, so the rule's must be both.",
		Args: []Arg{{
			Name: "probability", Type: "probability", Default: "1",
			Doc: "share of connections that are reset, above 0 and up to 1; drawn once for each connection",
		}},
	}, decodeReset)
}

// reset ends connections.
type reset struct {
	Probability *float64 `json:"probability"`
}

func decodeReset(r deploy.Rule) (harm, error) {
	var h reset
	if err := decodeArgs(r.Args, &h); err != nil {
		return nil, err
	}
	if h.Probability == nil {
		always := 1.0
		h.Probability = &always
	}
	if p := *h.Probability; !(p > 0 && p <= 1) {
		return nil, errors.New("probability must be above 0 and at most 1")
	}
	if r.Direction != deploy.Both {
		return nil, errors.New("direction must be both: a reset ends a connection for both sides")
	}
	return h, nil
}

func (h reset) meet(draws func(deploy.Direction) *rand.Rand) effect {
	return effect{reset: draws(deploy.Both).Float64() < *h.Probability}
}
