package loadgen

import (
	"encoding/binary"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/bedlamlab/bedlam/loadgen/internal/http1"
)

// A shopper is one customer under way. Shoppers are used again, with their
// memory, so that a journey costs little garbage.
type shopper struct {
	c        *crowd
	g        *Generator // the crowd's
	script   Script
	cart     string
	customer string
	added    []line // what the shop has acknowledged
	order    order  // what it said of the order last

	step   int // requests made so far
	ids    rand.PCG
	span   [8]byte
	out    []byte // the request
	body   []byte
	answer http1.Answer
	timer  *time.Timer
	flight flight
}

// run makes the n-th journey of a crowd, whose first request was due at arrived.
func (s *shopper) run(c *crowd, n uint64, arrived time.Duration) {
	s.c, s.g = c, c.g
	c.script(n, &s.script)
	s.script.Journey = c.first + n
	s.ids.Seed(stream(c.seed^c.g.runSeed, "trace", n))
	name := c.begins + strconv.FormatUint(n, 10)
	s.cart, s.customer = "c-"+name, "u-"+name
	s.added, s.order, s.step = s.added[:0], order{}, 0

	end := arrived
	for _, st := range s.script.Steps {
		if st.Class == ClassOrder {
			s.follow(arrived+st.At, end, st)
			return
		}
		due := max(arrived+st.At, end)
		if !s.wait(due) {
			return
		}
		r := s.ask(due, st)
		end = r.Done
		// A read that failed does not stop a customer. Whoever could not fill
		// the cart, or does not know whether it is filled, does not go on.
		if writes(r.Class) && !r.Good() {
			return
		}
	}
}

// follow reads the order back: once if the shop said that it is paid, and at
// intervals while it is pending.
func (s *shopper) follow(planned, answered time.Duration, st Step) {
	if s.order.Order == "" {
		return // refused: there is nothing to read
	}
	if s.order.State == statePending {
		planned = answered + pollEvery
	}
	due := max(planned, answered)
	for s.wait(due) {
		r := s.ask(due, st)
		due = max(due+pollEvery, r.Done)
		if s.order.State != statePending || due > answered+pollFor {
			return
		}
	}
}

// wait sleeps until a time of the run. It reports whether to go on.
func (s *shopper) wait(until time.Duration) bool {
	d := until - s.g.now()
	if d <= 0 {
		return !s.c.over()
	}
	if s.timer == nil {
		s.timer = time.NewTimer(d)
	} else {
		s.timer.Reset(d)
	}
	select {
	case <-s.timer.C:
		return true
	case <-s.c.quit:
	case <-s.g.quit:
	}
	s.timer.Stop()
	return false
}

// keyOf begins every idempotency key; the run's name follows.
const keyOf = "k-"

// Keys is how all idempotency keys of a run's customers begin, and no other's.
func Keys(run string) string { return keyOf + run + "-" }

// ask makes one request and records it.
func (s *shopper) ask(due time.Duration, st Step) Request {
	g := s.g
	r := Request{Journey: s.script.Journey, Step: s.step, Class: st.Class, Due: due, SKU: st.SKU, Qty: st.Qty, Surge: s.c.surge}
	s.step++
	if st.Class == ClassCartAdd || st.Class == ClassCartRead || st.Class == ClassCheckout {
		r.Cart = s.cart
	}
	if st.Class == ClassOrder {
		r.Order = s.order.Order
	}
	if writes(st.Class) || st.act != nil && st.act.body != nil {
		r.Key = keyOf + s.cart[2:] + "-" + strconv.Itoa(r.Step)
	}
	binary.BigEndian.PutUint64(r.TraceID[:], s.ids.Uint64())
	if s.c.mark != nil {
		copy(r.TraceID[:], s.c.mark[:])
	}
	binary.BigEndian.PutUint64(r.TraceID[8:], s.ids.Uint64()|1) // W3C forbids an id of zeros
	binary.BigEndian.PutUint64(s.span[:], s.ids.Uint64()|1)

	if s.c.surge == "" {
		g.board.open(&s.flight, due, Limit(st.Class))
	}
	s.send(st, &r)
	r.Done = g.now()
	if s.c.surge == "" {
		g.board.done(&s.flight, &r)
	}
	s.c.count(&r)
	if g.config.Recorder != nil {
		g.config.Recorder.Record(r)
	}
	if g.config.Span != nil {
		s.trace(&r)
	}
	return r
}

// send asks the shop and makes out what the answer means.
func (s *shopper) send(st Step, r *Request) {
	g := s.g
	act := st.act
	if act == nil {
		act = actions[st.Class]
	}
	s.write(act, st, r)
	if !s.c.slot(r.Due) {
		r.Sent = g.now()
		r.Outcome, r.Reason = Failed, "no_slot"
		return
	}
	defer s.c.free()
	now := time.Now()
	r.Sent = now.Sub(g.zero)
	// The gateways take turns by journey and step, not by who asks first, so
	// that it does not depend on other customers who asks whom.
	first := int((r.Journey + uint64(r.Step)) % uint64(s.c.peers))
	patience := s.c.timeout
	if st.Patience > 0 {
		patience = min(patience, st.Patience)
	}
	err := s.c.client.Do(now.Add(patience), first, s.out, &s.answer)
	r.Gateway = s.c.client.Peer(s.answer.Peer).Instance
	if err != nil {
		if r.fail(err); r.Reason == "timeout" && st.Patience > 0 {
			r.Reason = hungUp
		}
		return
	}
	r.classify(&s.answer)
	switch {
	case r.Status >= 200 && r.Status < 300:
		act.check(s, st, &s.answer, r)
	case r.Class == ClassOrder && r.Status == 404:
		r.deny() // the shop itself gave us that order
	default:
		doubt(st, r)
		r.heal()
	}
}
