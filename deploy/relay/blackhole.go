package relay

import (
	"math/rand/v2"

	"github.com/bedlamlab/bedlam/deploy"
)

func init() {
	register(Kind{
		Name: "blackhole",
		Doc: "Makes the callee a peer that accepts and never answers: new connections are established, live ones stay, and nothing that is sent is passed on, no end and no reset either. " +
			"With direction from the callee hears every question, and its answers are lost. " +
			"When the rule goes, connections that it has touched are reset; those on which nobody spoke go on.",
	}, decodeBlackhole)
}

// blackhole takes and does not give. How it ends is what tells it from a
// partition. Behind a mended network both sides still know their connections,
// and TCP sends again what was lost: a partition's go on. A peer that took
// connections and answered none comes back by a restart or a fail-over (a hung
// process, a load balancer that has lost its table): it knows nothing of them,
// and answers the next word on each with a reset.
type blackhole struct{}

func decodeBlackhole(r deploy.Rule) (harm, error) {
	var none struct{}
	if err := decodeArgs(r.Args, &none); err != nil {
		return nil, err
	}
	return blackhole{}, nil
}

func (blackhole) meet(func(deploy.Direction) *rand.Rand) effect {
	return effect{to: swallow{}, from: swallow{establishes: true}, breaks: true}
}

// swallow withholds a direction. The bytes stay within the flow's limit, behind
// which the sender is held back: a peer that does not read closes its window.
type swallow struct {
	// establishes lets a set-up pass: the answers' way does, so that with
	// direction from the callee is dialled and hears the questions. The
	// questions' way does not: there is nobody behind the hole.
	establishes bool
}

func (s swallow) shape(c chunk, emit func(chunk)) bool {
	if c.mark == opening && s.establishes {
		emit(c)
		return false
	}
	c.at = never
	emit(c)
	return true
}
