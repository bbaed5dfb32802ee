package checkout_test

import (
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/services/checkout/checkoutpb"
)

// The steps that a purchase passes, in order, and those that undo it.
var (
	forward  = []string{"create", "reserve", "capture", "commit", "paid", "clear"}
	backward = []string{"refund", "release", "cancel"}
)

// TestEveryFaultAtEveryStep lets every step of a purchase fail once in every
// way: what is unclear is asked for again until it is clear, what is refused is
// undone.
func TestEveryFaultAtEveryStep(t *testing.T) {
	s := newShop(t, quick)
	s.timeout = 300 * time.Millisecond // what hangs must be seen to hang
	var all []purchase
	for _, kind := range []string{fails, drops, hangs, stalls, comes} {
		for _, step := range append([]string{"read", "price"}, forward...) {
			p := purchase{key: kind + " at " + step, want: "completed"}
			s.world.harm(p.key, step, kind, 1)
			all = append(all, p)
		}
		for _, step := range backward {
			p := purchase{key: kind + " at " + step, card: declined, want: "compensated", reason: "declined"}
			s.world.harm(p.key, step, kind, 1)
			all = append(all, p)
		}
	}
	for step, reason := range map[string]string{"reserve": "sold_out", "commit": "sold_out"} {
		p := purchase{key: "refused " + step, want: "compensated", reason: reason}
		s.world.harm(p.key, step, refuses, always)
		all = append(all, p)
	}
	all = append(all,
		purchase{key: "good", want: "completed"},
		purchase{key: "declined", card: declined, want: "compensated", reason: "declined"})

	answers := s.placeAll(all, s.run(1), s.run(2))
	s.awaitEnds(len(all))
	s.check(all, answers)
}

// TestGivingUp lets steps fail for good. Before the money is surely taken, the
// purchase is undone; after it, it waits until the step succeeds.
func TestGivingUp(t *testing.T) {
	settings := map[string]string{"lease": "700ms", "resume_every": "50ms", "give_up": "600ms"}
	s := newShop(t, settings)
	s.timeout = 100 * time.Millisecond
	var all, waiting []purchase
	for _, kind := range []string{fails, drops, hangs, stalls, comes} {
		for _, step := range []string{"create", "reserve", "capture"} {
			p := purchase{key: kind + " for good at " + step, want: "compensated", reason: "timeout"}
			s.world.harm(p.key, step, kind, always)
			all = append(all, p)
		}
	}
	for _, step := range []string{"commit", "paid", "clear"} {
		p := purchase{key: "fails for long at " + step}
		s.world.harm(p.key, step, fails, always)
		all, waiting = append(all, p), append(waiting, p)
	}
	var answers map[string]*checkoutpb.Placed
	one, two := s.run(1), s.run(2)
	placed := make(chan struct{})
	go func() {
		defer close(placed)
		answers = s.placeAll(all, one, two)
	}()
	for _, p := range all[:len(all)-len(waiting)] {
		// An order whose making failed is made before it is cancelled. Until then
		// its customer asks again: there is no order that he could be told of.
		s.world.await("a cancel", func() bool { return s.world.calls[site{p.key, "cancel"}] > 0 })
		s.world.heal(p.key, "create")
	}
	<-placed
	// All that is to be given up has been, so the others have had their time.
	s.world.await("the sagas that give up", func() bool { return len(s.world.cancelled()) >= len(all)-len(waiting) })
	for _, p := range waiting {
		s.world.heal(p.key, p.key[len("fails for long at "):])
	}
	s.awaitEnds(len(all))
	for i, p := range all {
		// A slow machine may need longer than 600 ms to come to the capture;
		// then undoing it is right. What is wrong is undoing it later.
		if p.want == "" && s.world.called(p.key, "commit") > 0 {
			all[i].want = "completed"
		}
	}
	s.check(all, answers)
}

func (w *world) cancelled() []string {
	var ids []string
	for id, o := range w.orders {
		if o.state == "CANCELLED" {
			ids = append(ids, id)
		}
	}
	return ids
}
