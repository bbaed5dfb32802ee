package checkout_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/services/checkout/checkoutpb"
	"github.com/bedlamlab/bedlam/services/internal/proctest"
)

// TestCrashAtEveryStep kills a replica while it has purchases standing at every
// step, before and after the effect; another one ends them.
func TestCrashAtEveryStep(t *testing.T) {
	s := newShop(t, quick)
	doomed, client := s.spawn(1)
	var all []purchase
	var faults []*fault
	for _, kind := range []string{hangs, stalls} {
		for _, step := range forward {
			p := purchase{key: kind + " at " + step, want: "completed"}
			faults = append(faults, s.world.harm(p.key, step, kind, 1))
			all = append(all, p)
		}
		for _, step := range backward {
			p := purchase{key: kind + " at " + step, card: declined, want: "compensated", reason: "declined"}
			faults = append(faults, s.world.harm(p.key, step, kind, 1))
			all = append(all, p)
		}
	}
	answered := make(chan map[string]*checkoutpb.Placed, 1)
	heir := s.run(2)
	go func() {
		answered <- s.place(all, func(_, try int) checkoutpb.CheckoutClient {
			if try == 0 {
				return client
			}
			return heir
		})
	}()
	for _, f := range faults {
		s.world.awaitMet(f, 1)
	}
	doomed.Kill()
	s.awaitEnds(len(all))
	s.check(all, <-answered)
}

// TestPausedOwnerIsFenced stops the owner of a saga until another has taken it
// over and ended it, then lets it go on with what it knows.
func TestPausedOwnerIsFenced(t *testing.T) {
	for _, c := range []struct {
		why  string
		kind string
		step string
		card string
		// refused is what the paused owner hears when it wakes up.
		refused bool
		want    string
	}{
		{why: "it learns of its capture", kind: stalls, step: "capture", want: "completed"},
		{why: "its capture reaches payment late", kind: hangs, step: "capture", want: "completed"},
		{why: "it learns that it was sold out, which it is no more", kind: hangs, step: "reserve", refused: true, want: "completed"},
		{why: "it learns of its refund", kind: stalls, step: "refund", card: declined, want: "compensated"},
	} {
		t.Run(c.why, func(t *testing.T) {
			s := newShop(t, quick)
			paused, client := s.spawn(1)
			p := purchase{key: "k", card: c.card, want: c.want}
			f := s.world.harm(p.key, c.step, c.kind, 1)
			f.refused = c.refused
			placed := make(chan map[string]*checkoutpb.Placed, 1)
			go func() { placed <- s.placeAll([]purchase{p}, client) }()
			s.world.awaitMet(f, 1)
			paused.Pause()
			s.run(2)
			s.awaitEnds(1)
			before := s.world.census()
			close(f.release)
			paused.Continue()
			paused.AwaitLog("fenced", "a lease ran out", "another replica has taken the saga over")
			s.check([]purchase{p}, <-placed)
			if after := s.world.census(); after != before {
				t.Errorf("the paused owner went on: %s became %s", before, after)
			}
			if r := s.saga(p.key); r.epoch < 2 {
				t.Errorf("the saga was never taken over (epoch %d), so nothing was tested", r.epoch)
			}
		})
	}
}

// census counts the calls of every step.
func (w *world) census() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return fmt.Sprint(w.calls) // maps print in the order of their keys
}

// TestDrainHandsOver stops a replica in order while a saga hangs. Leases are an
// hour long here: who goes on must have been let.
func TestDrainHandsOver(t *testing.T) {
	s := newShop(t, map[string]string{"lease": "1h", "resume_every": "50ms", "give_up": "1h"})
	leaving, client := s.spawn(1)
	all := []purchase{{key: "hangs", want: "completed"}, {key: "waits", want: "completed"}}
	hanging := s.world.harm("hangs", "capture", hangs, 1)
	waiting := s.world.harm("waits", "commit", fails, always)
	answered := make(chan map[string]*checkoutpb.Placed, 1)
	go func() { answered <- s.placeAll(all, client) }()
	s.world.awaitMet(hanging, 1)
	s.world.awaitMet(waiting, 2)
	answers := <-answered
	s.run(2)
	leaving.Terminate()
	s.world.heal("waits", "commit")
	s.awaitEnds(len(all))
	s.check(all, answers)
}

// TestStorm lets many purchases meet random faults while one of the replicas is
// killed again and again.
func TestStorm(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s := newShop(t, quick)
	s.timeout = 200 * time.Millisecond
	const purchases, kills = 60, 3
	var all []purchase
	kinds := []string{fails, drops, hangs, stalls, comes}
	for i := range purchases {
		p := purchase{key: fmt.Sprintf("storm %d", i), want: "completed"}
		switch {
		case i%5 == 0:
			p.card, p.want, p.reason = declined, "compensated", "declined"
		case i%7 == 0:
			p.want, p.reason = "compensated", "sold_out"
			s.world.harm(p.key, []string{"reserve", "commit"}[random.IntN(2)], refuses, always)
		}
		for _, step := range append(forward, backward...) {
			if p.reason == "sold_out" && (step == "reserve" || step == "commit") {
				continue
			}
			if random.IntN(3) == 0 {
				s.world.harm(p.key, step, kinds[random.IntN(len(kinds))], 1+random.IntN(2))
			}
		}
		all = append(all, p)
	}
	doomed, first := s.spawn(1)
	second := s.run(2)
	answered := make(chan map[string]*checkoutpb.Placed, 1)
	go func() { answered <- s.placeAll(all, first, second) }()
	for k := range kills {
		so := purchases * (k + 1)
		s.world.await("the storm to go on", func() bool { return s.world.steps() >= so })
		doomed.Kill()
		again := s.assignment(1)
		again.Listen = doomed.Address
		doomed = proctest.Start(t, again)
	}
	s.awaitEnds(len(all))
	s.check(all, <-answered)
}

// steps counts the calls that have been made; the lock is held.
func (w *world) steps() int {
	n := 0
	for _, calls := range w.calls {
		n += calls
	}
	return n
}
