package relay

import (
	"fmt"
	"math/rand/v2"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

func init() {
	register(Kind{
		Name: "reset_peer",
		Doc: "Resets a connection, towards both sides, some time after something has come in a direction that the rule names, bytes or an end; from there on the direction carries nothing. " +
			"Connections on which nobody speaks stay. Kind reset asks for no word and takes no time.",
		Args: []Arg{{Name: "timeout", Type: "duration", Default: "0s", Doc: "how long after the first that came; up to 10m"}},
	}, decodeResetPeer)
}

// resetPeer is a peer that dies over what it is told.
type resetPeer struct {
	Timeout topology.Duration `json:"timeout"`
}

func decodeResetPeer(r deploy.Rule) (harm, error) {
	var h resetPeer
	if err := decodeArgs(r.Args, &h); err != nil {
		return nil, err
	}
	if d := h.Timeout.D(); d < 0 || d > longest {
		return nil, fmt.Errorf("timeout %v is not within 0s and %v", d, longest)
	}
	return h, nil
}

func (h resetPeer) meet(func(deploy.Direction) *rand.Rand) effect {
	return effect{to: lose{}, from: lose{}, breaks: true, expires: &expiry{after: h.Timeout.D(), reset: true}}
}

// lose carries nothing once a connection stands.
type lose struct{}

func (lose) shape(c chunk, emit func(chunk)) bool {
	if c.mark == opening {
		emit(c)
		return false
	}
	return true
}
