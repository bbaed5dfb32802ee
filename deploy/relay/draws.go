package relay

import (
	"encoding/binary"
	"hash/fnv"
	"math/rand/v2"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

// draws returns the random stream of one rule in one direction of one
// connection: the same for the same seed, link, ordinal and direction, and
// unrelated to every other. ordinal counts the link's connections from 1. What
// is not drawn for a direction has a word of its own in the place of one.
func draws(seed uint64, l topology.Link, ordinal uint64, d deploy.Direction) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(l.From))
	h.Write([]byte{0}) // a-b to c is not a to b-c
	h.Write([]byte(l.To))
	h.Write([]byte{0})
	h.Write([]byte(d))
	h.Write([]byte{0})
	h.Write(binary.LittleEndian.AppendUint64(nil, ordinal))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}
