package relay

import (
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
)

const (
	// lateness is how far the line makes up for what woke late: a timer on a
	// busy machine, a callee that did not read. It is all the burst there is,
	// and it is 2.5 % of a second, so that no second carries more than that
	// above the rate, wherever it begins. What an idle line has not carried is
	// not made up for: a real one does not save it either.
	lateness = 25 * time.Millisecond
	// turn is how long a piece has the line for itself. Two hundred turns a
	// second are far finer than any timeout, and a machine wakes so often with
	// ease.
	turn = 5 * time.Millisecond
	// leastPiece is the least that a piece holds, bytes: twice what its place in
	// a queue costs.
	leastPiece = 2 * overhead
)

func init() {
	register(Kind{
		Name: "bandwidth",
		Doc: "Limits what a link carries: in each direction that the rule names, all of its connections share one line of that many payload bytes per second. " +
			"They take turns, piece by piece, so that a small answer does not wait for a large one on another connection. " +
			"What does not fit waits; when the rule goes, it goes on at once.",
		Args: []Arg{{Name: "rate", Type: "rate", Doc: "from 1KB/s; units: " + deploy.RateUnits}},
	}, decodeBandwidth)
}

// bandwidth limits.
type bandwidth struct {
	Rate deploy.Rate `json:"rate"`

	to, from *line // of one link
}

func decodeBandwidth(r deploy.Rule) (harm, error) {
	var h bandwidth
	if err := decodeArgs(r.Args, &h); err != nil {
		return nil, err
	}
	if h.Rate == 0 {
		return nil, errors.New("no rate is given: the rule would do nothing")
	}
	return h, nil
}

// onLink gives a link its two lines.
func (h bandwidth) onLink() harm {
	h.to, h.from = &line{rate: h.Rate}, &line{rate: h.Rate}
	return h
}

func (h bandwidth) meet(func(deploy.Direction) *rand.Rand) effect {
	return effect{to: h.to, from: h.from}
}

// A line is one direction of one link: it carries one piece after the other,
// each for as long as its bytes take.
//
//	connection 1   ▓▓▓▓▓▓▓▓ queue ──▶ first ─┐   each first piece has booked
//	connection 2        ▓▓▓ queue ──▶ first ─┼─▶ its stretch of the line; the
//	connection 3                ─ idle ─     ┘   next one books when it has gone
//
// A connection has one piece booked at a time, so that they take turns, and one
// that ends leaves no more than a piece unused.
type line struct {
	rate deploy.Rate

	mu   sync.Mutex
	free time.Time // when all that is booked has passed
}

// shape cuts bytes into pieces; their time comes later, see pace.
func (l *line) shape(c chunk, emit func(chunk)) bool {
	piece := max(leastPiece, int(int64(l.rate)/int64(time.Second/turn)))
	for len(c.data) > piece {
		emit(chunk{data: c.data[:piece:piece], at: c.at})
		c.data = c.data[piece:]
	}
	emit(c)
	return c.mark == payload
}

// pace books the line from when it is free, or from when c came to an idle one.
// An end and a reset take no time of their own, but their turn.
func (l *line) pace(c chunk, now time.Time) time.Time {
	if c.mark != payload {
		return c.at
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range []time.Time{c.at, now.Add(-lateness)} {
		if t.After(l.free) {
			l.free = t
		}
	}
	l.free = l.free.Add(l.rate.Time(len(c.data)))
	return l.free
}
