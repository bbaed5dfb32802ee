package relay

import (
	"fmt"
	"math/rand/v2"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

func init() {
	register(Kind{
		Name: "slow_close",
		Doc: "Passes the end of a direction on late, a FIN or a reset; bytes and set-ups are not delayed. " +
			"The other side takes a peer that has closed or died for a live one meanwhile.",
		Args: []Arg{{Name: "delay", Type: "duration", Doc: "how late, above 0s and up to 10m"}},
	}, decodeSlowClose)
}

// slowClose delays the ends.
type slowClose struct {
	Delay topology.Duration `json:"delay"`
}

func decodeSlowClose(r deploy.Rule) (harm, error) {
	var h slowClose
	if err := decodeArgs(r.Args, &h); err != nil {
		return nil, err
	}
	if d := h.Delay.D(); d <= 0 || d > longest {
		return nil, fmt.Errorf("delay %v is not above 0s and at most %v", d, longest)
	}
	return h, nil
}

func (h slowClose) meet(func(deploy.Direction) *rand.Rand) effect {
	return effect{to: h, from: h}
}

func (h slowClose) shape(c chunk, emit func(chunk)) bool {
	end := c.mark == ending || c.mark == broken || c.mark == closing
	if end {
		c.at = c.at.Add(h.Delay.D())
	}
	emit(c)
	return end
}
