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
		Name: "abort",
		Doc: "Answers requests in the place of the callee, which never hears of them. " +
			"On edges of gRPC the answer is trailers alone, with the status and a message that names the rule.",
		Args: append([]Arg{{
			Name: "status", Type: "400 to 599|a status of gRPC", Default: "503 or UNAVAILABLE", Doc: "what is answered; of HTTP on edges of HTTP, a name of gRPC's on edges of gRPC",
		}}, requestArgs...),
	}, decodeAbort)
}

// abort answers for the callee.
type abort struct {
	requests
	Status message.Status `json:"status"`

	text string
}

func decodeAbort(r deploy.Rule) (harm, error) {
	h := abort{text: fmt.Sprintf("aborted on the way by %s", r.ID)}
	if err := decodeArgs(r.Args, &h); err != nil {
		return nil, err
	}
	err := h.validate(r)
	return h, err
}

func (h abort) suits(p topology.Protocol) error {
	if err := h.requests.suits(p); err != nil {
		return err
	}
	return suitsStatus(h.Status, p)
}

func (h abort) meet(draws func(deploy.Direction) *rand.Rand) effect {
	return h.picked(draws, func(q message.Request, f *message.Fate, m *meeting) {
		f.Abort = &message.Answer{Status: h.Status, Text: h.text}
		m.touchRequest(q)
	})
}
