package relay

import (
	"sync/atomic"
	"time"
)

// settle bounds how long the control plane waits for flows to take a change
// over. It is reached only if a splice is stuck in a destination that does not
// read; such a flow has nothing to deliver until it reads again, and then
// changes over by itself. A switch takes some tens of microseconds, and even on
// a crowded machine not a fifth of a second.
const settle = 200 * time.Millisecond

// A tally counts flows that have yet to take a change over.
type tally struct {
	left atomic.Int64
	done chan struct{}
}

// newTally begins with one, its maker's, so that it cannot end before all have
// been added.
func newTally() *tally {
	t := &tally{done: make(chan struct{})}
	t.add()
	return t
}

func (t *tally) add() { t.left.Add(1) }

func (t *tally) one() {
	if t.left.Add(-1) == 0 {
		close(t.done)
	}
}

// wait takes the maker's one away and returns when all are through, or after
// settle.
func (t *tally) wait() {
	t.one()
	timer := time.NewTimer(settle)
	defer timer.Stop()
	select {
	case <-t.done:
	case <-timer.C:
	}
}
