package relay

import "time"

// A stage is one rule's place in one direction of one connection: its shaper
// and the chunks that wait for their time. Only the goroutine that runs the
// flow touches it.
type stage struct {
	shaper shaper
	touch  func(chunk) // told of each chunk that was changed
	queue  []chunk     // by arrival; each at is when it may go on
	paced  bool        // the first chunk has had its time from a pacer
	spares bool        // a set-up passes as if the stage were not there
}

// A chain is the stages of a flow, in the order in which bytes pass them. The
// newest stands last, next to the destination: whatever has not been delivered
// yet still meets it.
type chain struct {
	stages []*stage
	out    []chunk // past every stage, to be delivered
	held   func(delta int64)
}

// pass gives c to stage i, or to the way out behind the last one.
func (h *chain) pass(i int, c chunk) {
	if i == len(h.stages) {
		h.out = append(h.out, c)
		return
	}
	s := h.stages[i]
	if s.spares && c.mark == opening { // the first chunk of all: it overtakes nothing
		h.pass(i+1, c)
		return
	}
	h.held(-c.size())
	touched := s.shaper.shape(c, func(e chunk) {
		// A FIFO: what comes later goes on later, whatever was drawn.
		if n := len(s.queue); n > 0 && e.at.Before(s.queue[n-1].at) {
			e.at = s.queue[n-1].at
		}
		h.held(e.size())
		s.queue = append(s.queue, e)
	})
	if touched {
		s.touch(c)
	}
}

// advance moves on what is due and returns when the next chunk is: never if
// none is waiting for a time.
func (h *chain) advance(now time.Time) time.Time {
	due := never
	for i, s := range h.stages {
		for len(s.queue) > 0 {
			at := s.turn(now)
			if at.After(now) {
				if at.Before(due) {
					due = at
				}
				break
			}
			c, rest := s.piece(now)
			if rest {
				h.held(overhead) // there is one chunk more
			}
			h.pass(i+1, c)
			if rest && !s.turn(now).After(now) {
				// One at a time, or a queue of crumbs would hold many times
				// what they weigh.
				due = now
				break
			}
		}
	}
	return due
}

// piece takes what goes on now out of the queue, and reports whether a part of
// it stays behind.
func (s *stage) piece(now time.Time) (c chunk, rest bool) {
	k, ok := s.shaper.(cutter)
	if first := &s.queue[0]; ok && first.mark == payload {
		if n := k.cut(*first, now); n < len(first.data) {
			c = chunk{data: first.data[:n:n], at: first.at}
			first.data, s.paced = first.data[n:], false
			return c, true
		}
	}
	return s.shift(), false
}

// turn returns when the first chunk of the queue may go on.
func (s *stage) turn(now time.Time) time.Time {
	first := &s.queue[0]
	if p, ok := s.shaper.(pacer); ok && !s.paced && !first.at.After(now) {
		first.at, s.paced = p.pace(*first, now), true
	}
	return first.at
}

// restage replaces the stages. Those that go empty into what follows them, as
// of now; those that come are put last and get first what is not delivered yet.
func (h *chain) restage(want []*stage, now time.Time) {
	wanted := make(map[*stage]bool, len(want))
	for _, s := range want {
		wanted[s] = true
	}
	for i := len(h.stages) - 1; i >= 0; i-- {
		s := h.stages[i]
		if wanted[s] {
			delete(wanted, s)
			continue
		}
		// From the last to the first, so that what stands behind s is
		// older than what s holds.
		h.stages = append(h.stages[:i:i], h.stages[i+1:]...)
		for len(s.queue) > 0 {
			c := s.shift()
			c.at = now
			h.pass(i, c)
		}
	}
	for _, s := range want {
		if !wanted[s] {
			continue
		}
		undelivered := h.out
		h.out = nil
		h.stages = append(h.stages, s)
		for _, c := range undelivered {
			c.at = now
			h.pass(len(h.stages)-1, c)
		}
	}
}

// shift takes the first chunk out of the queue.
func (s *stage) shift() chunk {
	c := s.queue[0]
	s.queue[0] = chunk{} // or its bytes live as long as the array
	s.queue = s.queue[1:]
	s.paced = false
	return c
}
