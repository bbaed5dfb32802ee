package relay

import (
	"math/rand/v2"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
)

// A new kind is one file. This one cuts bytes into single ones, a millisecond
// apart, and resets the connection after ten: pieces, pace and a mark of its
// own, which is all that a bandwidth, a slicer or a limit will need. TestANewKind tries it.
type drip struct {
	passed int
	next   time.Time
}

func init() {
	register(Kind{Name: "test-drip", Doc: "Drips."}, func(deploy.Rule) (harm, error) { return &drip{}, nil })
}

func (*drip) meet(func(deploy.Direction) *rand.Rand) effect { return effect{to: &drip{}} }

func (d *drip) shape(c chunk, emit func(chunk)) bool {
	if c.mark != payload {
		emit(c)
		return false
	}
	for i := range c.data {
		if d.next = d.next.Add(time.Millisecond); d.next.Before(c.at) {
			d.next = c.at
		}
		if d.passed == 10 {
			emit(chunk{mark: broken, at: d.next})
			return true
		}
		d.passed++
		emit(chunk{data: c.data[i : i+1], at: d.next})
	}
	return true
}
