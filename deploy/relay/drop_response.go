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
		Name: "drop_response",
		Doc: "Lets requests reach the callee and have their effect, and takes the answer away when it is complete: " +
			"what the caller knows of a callee that died, or a network that broke, right after the work was done.",
		Args: append([]Arg{{
			Name: "instead", Type: "reset|silence|a status", Default: "reset",
			Doc: "what the caller gets: the stream reset (on HTTP/1 the connection), nothing at all, or a status of the edge's protocol, as a proxy between the two would answer",
		}}, requestArgs...),
	}, decodeDropResponse)
}

// dropResponse takes answers away.
type dropResponse struct {
	requests
	Instead message.Instead `json:"instead"`

	text string
}

func decodeDropResponse(r deploy.Rule) (harm, error) {
	h := dropResponse{text: fmt.Sprintf("answer lost on the way by %s", r.ID)}
	if err := decodeArgs(r.Args, &h); err != nil {
		return nil, err
	}
	err := h.validate(r)
	return h, err
}

func (h dropResponse) suits(p topology.Protocol) error {
	if err := h.requests.suits(p); err != nil {
		return err
	}
	return suitsStatus(h.Instead.Status, p)
}

func (h dropResponse) meet(draws func(deploy.Direction) *rand.Rand) effect {
	return h.picked(draws, func(q message.Request, f *message.Fate, m *meeting) {
		if f.Lose != nil {
			return // it is lost already
		}
		f.Lose = &message.Loss{Silent: h.Instead.Silence, Lost: func() { m.touchRequest(q) }}
		if s := h.Instead.Status; !s.IsZero() {
			f.Lose.Instead = &message.Answer{Status: s, Text: h.text}
		}
	})
}
