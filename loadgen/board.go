package loadgen

import (
	"sync"
	"time"
)

// window is how many seconds, the present one included, a board remembers: the
// 30 that it shows and what may still be answered before them.
const window = 40

// shown is how many whole seconds Live shows before the present one.
const shown = 30

// Counts are requests by what became of them. Due is the sum of all the others
// but Degraded.
type Counts struct {
	Due     int
	Good    int // true, ok or declared degraded, and within the class's limit
	Slow    int // true, but too late to be good
	Failed  int
	Unknown int
	Overdue int // not answered, and already too late to be good
	Pending int // not answered, but still in time
	// Degraded is how many of Good and Slow were declared degraded.
	Degraded int
}

// Goodput returns the share of good responses among the n requests of which it
// is known already; 1 if there are none.
func (c Counts) Goodput() (share float64, n int) {
	if n = c.Due - c.Pending; n == 0 {
		return 1, 0
	}
	return float64(c.Good) / float64(n), n
}

// plus adds up.
func (c Counts) plus(d Counts) Counts {
	return Counts{c.Due + d.Due, c.Good + d.Good, c.Slow + d.Slow, c.Failed + d.Failed, c.Unknown + d.Unknown,
		c.Overdue + d.Overdue, c.Pending + d.Pending, c.Degraded + d.Degraded}
}

// A Second is what became of the requests that were due in it.
type Second struct {
	From time.Duration // its beginning, from the start of the run
	Counts
	Lag time.Duration // the latest that a request due in it was sent
}

// A board counts requests by the second in which they were due.
type board struct {
	mu    sync.Mutex
	ring  [window]Second
	total Counts
	out   flight // head of the ring of requests without an answer
	n     int
}

// A flight is a request without an answer.
type flight struct {
	due, limit time.Duration
	prev, next *flight
}

func newBoard() *board {
	b := &board{}
	b.out.prev, b.out.next = &b.out, &b.out
	for i := range b.ring {
		b.ring[i].From = -1
	}
	return b
}

// second returns the slot of a time, or nil if the ring has gone past it.
func (b *board) second(at time.Duration) *Second {
	from := at.Truncate(time.Second)
	s := &b.ring[int(from/time.Second)%window]
	switch {
	case s.From < from:
		*s = Second{From: from}
	case s.From > from:
		return nil
	}
	return s
}

// open notes a request that is due.
func (b *board) open(f *flight, due, limit time.Duration) {
	f.due, f.limit = due, limit
	b.mu.Lock()
	defer b.mu.Unlock()
	f.prev, f.next = b.out.prev, &b.out
	f.prev.next, b.out.prev = f, f
	b.n++
	b.total.Due++
	if s := b.second(due); s != nil {
		s.Due++
	}
}

// done notes what became of it.
func (b *board) done(f *flight, r *Request) {
	var c Counts
	switch {
	case r.Useful():
		c.Good = 1
	case r.Good():
		c.Slow = 1
	case r.Outcome == Failed:
		c.Failed = 1
	default:
		c.Unknown = 1
	}
	if r.Outcome == Degraded {
		c.Degraded = 1
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	f.prev.next, f.next.prev = f.next, f.prev
	f.prev, f.next = nil, nil
	b.n--
	b.total = b.total.plus(c)
	if s := b.second(r.Due); s != nil {
		s.Counts = s.Counts.plus(c)
		s.Lag = max(s.Lag, r.Lag())
	}
}

// look returns the last seconds up to now, the totals, and how many requests
// have no answer.
func (b *board) look(now time.Duration) (all []Second, total Counts, outstanding int) {
	last := now.Truncate(time.Second)
	first := max(0, last-shown*time.Second)
	all = make([]Second, 0, shown+1)
	b.mu.Lock()
	defer b.mu.Unlock()
	for from := first; from <= last; from += time.Second {
		s := Second{From: from}
		if k := b.ring[int(from/time.Second)%window]; k.From == from {
			s = k
		}
		all = append(all, s)
	}
	total = b.total
	for f := b.out.next; f != &b.out; f = f.next {
		c := &total.Pending
		if now > f.due+f.limit {
			c = &total.Overdue
		}
		*c++
		if f.due < first || f.due >= last+time.Second {
			continue
		}
		s := &all[int((f.due-first)/time.Second)]
		if now > f.due+f.limit {
			s.Overdue++
		} else {
			s.Pending++
		}
	}
	return all, total, b.n
}
