package relay

import (
	"fmt"
	"math/rand/v2"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

func init() {
	register(Kind{
		Name: "timeout",
		Doc: "Drops every byte of a direction and closes the connection, for both sides, when the direction has been silent for a time; an end that a side gives passes. " +
			"Connections are set up. When the rule goes, those of which it has dropped bytes are reset.",
		Args: []Arg{{Name: "timeout", Type: "duration", Default: "0s", Doc: "the silence, from the last byte or, before any, from the beginning; 0s never closes; up to 10m"}},
	}, decodeTimeout)
}

// timeout is a peer that takes and does not answer, until somebody between
// gives up.
type timeout struct {
	Timeout topology.Duration `json:"timeout"`
}

func decodeTimeout(r deploy.Rule) (harm, error) {
	var h timeout
	if err := decodeArgs(r.Args, &h); err != nil {
		return nil, err
	}
	if d := h.Timeout.D(); d < 0 || d > longest {
		return nil, fmt.Errorf("timeout %v is not within 0s and %v", d, longest)
	}
	return h, nil
}

func (h timeout) meet(func(deploy.Direction) *rand.Rand) effect {
	e := effect{to: drop{}, from: drop{}, breaks: true}
	if h.Timeout > 0 {
		e.expires = &expiry{after: h.Timeout.D(), silence: true}
	}
	return e
}

// drop loses bytes and keeps everything else.
type drop struct{}

func (drop) shape(c chunk, emit func(chunk)) bool {
	if c.mark != payload {
		emit(c)
		return false
	}
	return true
}
