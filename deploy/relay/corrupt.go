package relay

import (
	"errors"
	"math/rand/v2"

	"github.com/bedlamlab/bedlam/deploy"
)

// corruptBlock is the piece of a stream of which a share is corrupted, bytes.
// Blocks are counted in the stream, not in what happens to be read at once, so
// that the seed decides which byte is hit, and no timing. A KiB is about what a
// packet carries: the percentages are those of packet tools.
const corruptBlock = 1 << 10

func init() {
	register(Kind{
		Name: "corrupt",
		Doc: "Flips a bit here and there: of all KiB of a direction that the rule names, that percentage gets one, at a place that the seed decides. " +
			"The length and the order of bytes are kept. Of a connection that is there already, the KiB are counted from where the rule found it.",
		Args: []Arg{{Name: "percent", Type: "percent", Doc: "of KiB that get a wrong bit, above 0 and up to 100"}},
	}, decodeCorrupt)
}

// corrupt changes bytes.
type corrupt struct {
	Percent percent `json:"percent"`
}

func decodeCorrupt(r deploy.Rule) (harm, error) {
	var h corrupt
	if err := decodeArgs(r.Args, &h); err != nil {
		return nil, err
	}
	if h.Percent == 0 {
		return nil, errors.New("percent is 0 or missing: the rule would do nothing")
	}
	return h, nil
}

func (h corrupt) meet(draws func(deploy.Direction) *rand.Rand) effect {
	return effect{to: &noise{corrupt: h, draw: draws(deploy.To)}, from: &noise{corrupt: h, draw: draws(deploy.From)}}
}

// noise is corruption on one direction of one connection.
type noise struct {
	corrupt
	draw *rand.Rand
	hit  int64 // bytes until the one that is hit next; beyond the block: none in it
	flip byte  // the bit
	left int64 // bytes of the block that are to come
}

func (n *noise) shape(c chunk, emit func(chunk)) bool {
	var changed bool
	for rest := c.data; len(rest) > 0; {
		if n.left == 0 {
			n.block()
		}
		m := min(int64(len(rest)), n.left)
		if n.hit < m {
			rest[n.hit] ^= n.flip
			n.hit, changed = corruptBlock, true
		}
		n.hit -= m
		n.left -= m
		rest = rest[m:]
	}
	emit(c)
	return changed
}

// block draws for the next block. It draws the same number of times whatever
// comes of it: who is hit at a small percentage is hit there at a larger one.
func (n *noise) block() {
	chance, at, bit := n.draw.Float64(), n.draw.Int64N(corruptBlock), n.draw.IntN(8)
	n.left, n.hit, n.flip = corruptBlock, at, 1<<bit
	if chance >= float64(n.Percent)/100 {
		n.hit = corruptBlock
	}
}
