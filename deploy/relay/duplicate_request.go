package relay

import (
	"context"
	"math/rand/v2"
	"net"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/relay/message"
)

func init() {
	register(Kind{
		Name: "duplicate_request",
		Doc: "Sends requests twice: the copy goes out when the request is complete, on a connection of its own, and its answer is thrown away. " +
			"Requests of more than 1 MiB are not copied, nor those that are called off before they are complete.",
		Args: requestArgs,
	}, decodeDuplicateRequest)
}

// duplicateRequest sends requests twice.
type duplicateRequest struct{ requests }

func decodeDuplicateRequest(r deploy.Rule) (harm, error) {
	var h duplicateRequest
	if err := decodeArgs(r.Args, &h); err != nil {
		return nil, err
	}
	err := h.validate(r)
	return h, err
}

func (h duplicateRequest) meet(draws func(deploy.Direction) *rand.Rand) effect {
	return h.picked(draws, func(q message.Request, f *message.Fate, m *meeting) {
		if f.Copied == nil { // one copy is what twice means
			f.Copied = func() { m.touchRequest(q) }
		}
	})
}

// dialAgain connects to the callee for a copy.
func (e *edge) dialAgain(ctx context.Context) (net.Conn, error) { return e.dial(ctx) }
