package relay

import (
	"fmt"
	"math/rand/v2"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/relay/message"
	"github.com/bedlamlab/bedlam/topology"
)

func init() {
	register(Kind{
		Name: "delay_request",
		Doc: "Holds requests back before the callee hears of them; later ones on the same connection overtake them where the protocol lets them. " +
			"A request that is called off meanwhile never arrives; when the rule goes, those that wait go on at once.",
		Args: append([]Arg{{Name: "delay", Type: "duration", Doc: "how long, above 0s and up to 10m"}}, requestArgs...),
	}, decodeDelayRequest)
}

// delayRequest holds requests back.
type delayRequest struct {
	requests
	Delay topology.Duration `json:"delay"`
}

func decodeDelayRequest(r deploy.Rule) (harm, error) {
	var h delayRequest
	if err := decodeArgs(r.Args, &h); err != nil {
		return nil, err
	}
	if d := h.Delay.D(); d <= 0 || d > longest {
		return nil, fmt.Errorf("delay %v is not above 0s and at most %v", d, longest)
	}
	err := h.validate(r)
	return h, err
}

func (h delayRequest) meet(draws func(deploy.Direction) *rand.Rand) effect {
	return h.picked(draws, func(q message.Request, f *message.Fate, m *meeting) {
		f.Delays = append(f.Delays, message.Delay{For: h.Delay.D(), Until: m.posting.live})
		m.touchRequest(q)
	})
}
