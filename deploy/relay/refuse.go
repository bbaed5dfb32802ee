package relay

import (
	"errors"
	"math/rand/v2"

	"github.com/bedlamlab/bedlam/deploy"
)

func init() {
	register(Kind{
		Name: "refuse",
		Doc: "Takes the callee away from the link: new connections are refused, whatever other rules the link has, and live ones are reset. " +
			"It has neither a direction nor a share of connections: the rule's must be both, and all.",
	}, decodeRefuse)
}

// refusing closes the door.
type refusing struct{}

func (refusing) bars() {}

func decodeRefuse(r deploy.Rule) (harm, error) {
	var none struct{}
	if err := decodeArgs(r.Args, &none); err != nil {
		return nil, err
	}
	if r.Direction != deploy.Both {
		return nil, errors.New("direction must be both: a refusal ends a connection for both sides")
	}
	if share(r) < 1 {
		return nil, errors.New("toxicity must be 1: a listener that is closed refuses everybody")
	}
	return refusing{}, nil
}

func (refusing) meet(func(deploy.Direction) *rand.Rand) effect { return effect{reset: true} }
