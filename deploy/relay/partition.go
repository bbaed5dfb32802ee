package relay

import (
	"math/rand/v2"

	"github.com/bedlamlab/bedlam/deploy"
)

func init() {
	register(Kind{
		Name: "partition",
		Doc: "Cuts the link silently, as a network does: nothing is delivered and nothing is closed. " +
			"New connections are accepted by the kernel and hang; the callee is not dialled, whichever direction is cut. " +
			"When the rule goes, live connections continue with the bytes that were withheld, in order; " +
			"set-ups whose caller has left meanwhile are dropped.",
	}, decodePartition)
}

// partition withholds everything.
type partition struct{}

func decodePartition(r deploy.Rule) (harm, error) {
	var none struct{}
	if err := decodeArgs(r.Args, &none); err != nil {
		return nil, err
	}
	return partition{}, nil
}

func (p partition) meet(func(deploy.Direction) *rand.Rand) effect {
	return effect{to: p, from: p}
}

func (partition) shape(c chunk, emit func(chunk)) bool {
	c.at = never
	emit(c)
	return true
}
