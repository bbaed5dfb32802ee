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
	g        *Generator
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

// run makes one journey whose first request was due at arrived.
func (s *shopper) run(journey uint64, arrived time.Duration) {
	s.g.plan.Script(journey, &s.script)
	s.ids.Seed(stream(s.g.seed^s.g.runSeed, "trace", journey))
	name := s.g.run + "-" + strconv.FormatUint(journey, 10)
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
		select {
		case <-s.g.quit:
			return false
		default:
			return true
		}
	}
	if s.timer == nil {
		s.timer = time.NewTimer(d)
	} else {
		s.timer.Reset(d)
	}
	select {
	case <-s.timer.C:
		return true
	case <-s.g.quit:
		s.timer.Stop()
		return false
	}
}

// keyOf begins every idempotency key; the run's name follows.
const keyOf = "k-"

// Keys is how all idempotency keys of a run's customers begin, and no other's.
func Keys(run string) string { return keyOf + run + "-" }

// ask makes one request and records it.
func (s *shopper) ask(due time.Duration, st Step) Request {
	g := s.g
	r := Request{Journey: s.script.Journey, Step: s.step, Class: st.Class, Due: due, SKU: st.SKU, Qty: st.Qty}
	s.step++
	if st.Class == ClassCartAdd || st.Class == ClassCartRead || st.Class == ClassCheckout {
		r.Cart = s.cart
	}
	if st.Class == ClassOrder {
		r.Order = s.order.Order
	}
	if writes(st.Class) {
		r.Key = keyOf + s.cart[2:] + "-" + strconv.Itoa(r.Step)
	}
	binary.BigEndian.PutUint64(r.TraceID[:], s.ids.Uint64())
	binary.BigEndian.PutUint64(r.TraceID[8:], s.ids.Uint64()|1) // W3C forbids an id of zeros
	binary.BigEndian.PutUint64(s.span[:], s.ids.Uint64()|1)

	g.board.open(&s.flight, due, Limit(st.Class))
	s.send(st, &r)
	r.Done = g.now()
	g.board.done(&s.flight, &r)
	if g.recorder != nil {
		g.recorder.Record(r)
	}
	if g.span != nil {
		s.trace(&r)
	}
	return r
}

// send asks the shop and makes out what the answer means.
func (s *shopper) send(st Step, r *Request) {
	g := s.g
	act := actions[st.Class]
	s.write(act, st, r)
	if !g.slot(r.Due) {
		r.Sent = g.now()
		r.Outcome, r.Reason = Failed, "no_slot"
		return
	}
	defer g.free()
	now := time.Now()
	r.Sent = now.Sub(g.zero)
	// The gateways take turns by journey and step, not by who asks first, so
	// that it does not depend on other customers who asks whom.
	first := int((r.Journey + uint64(r.Step)) % uint64(g.peers))
	err := g.client.Do(now.Add(g.timeout), first, s.out, &s.answer)
	r.Gateway = g.client.Peer(s.answer.Peer).Instance
	if err != nil {
		r.fail(err)
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
	}
}
