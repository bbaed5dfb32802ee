package checkout_test

import (
	"context"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/checkout/checkoutpb"
)

func TestSameKeySameAnswer(t *testing.T) {
	s := newShop(t, quick)
	replicas := []checkoutpb.CheckoutClient{s.run(1), s.run(2)}
	good, bad := purchase{key: "good", want: "completed"}, purchase{key: "bad", card: declined, want: "compensated", reason: "declined"}
	s.world.fillCart(good.key)
	s.world.fillCart(bad.key)
	var mu sync.Mutex
	answers := map[string]*checkoutpb.Placed{}
	var work sync.WaitGroup
	for i := range 20 {
		for _, p := range []purchase{good, bad} {
			work.Go(func() {
				got, err := replicas[i%2].Place(context.Background(), p.request())
				if err != nil {
					t.Errorf("placing %s: %v", p.key, err)
					return
				}
				if got.GetState() == "PENDING" {
					return // honest on a slow machine, and read below
				}
				mu.Lock()
				defer mu.Unlock()
				if was := answers[p.key]; was != nil && was.String() != got.String() {
					t.Errorf("%s was answered with %v and %v", p.key, was, got)
				}
				answers[p.key] = got
			})
		}
	}
	work.Wait()
	s.awaitEnds(2)
	for _, p := range []purchase{good, bad} {
		got, err := replicas[0].Place(t.Context(), p.request())
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"completed": "PAID", "compensated": "CANCELLED"}[p.want]
		if got.GetState() != want || got.GetReason() != p.reason || got.GetOrder() == "" || got.GetTotal() != quantity*price {
			t.Errorf("%s is answered with %v", p.key, got)
		}
		if was := answers[p.key]; was != nil && was.String() != got.String() {
			t.Errorf("%s was answered with %v, and later with %v", p.key, was, got)
		}
	}
	s.check([]purchase{good, bad}, answers)
}

func TestPendingWhileItLasts(t *testing.T) {
	s := newShop(t, quick)
	client := s.run(1)
	p := purchase{key: "slow", want: "completed"}
	s.world.fillCart(p.key)
	f := s.world.harm(p.key, "capture", hangs, always)
	got, err := client.Place(t.Context(), p.request())
	if err != nil || got.GetState() != "PENDING" || got.GetOrder() == "" {
		t.Errorf("got %v, %v, want PENDING with an order that can be read", got, err)
	}
	s.world.mu.Lock()
	if o := s.world.orders[got.GetOrder()]; o == nil || o.state != "PENDING" {
		t.Errorf("the order is %+v", o)
	}
	s.world.mu.Unlock()
	s.world.heal(p.key, "capture")
	close(f.release)
	s.awaitEnds(1)
	if got, err = client.Place(t.Context(), p.request()); err != nil || got.GetState() != "PAID" {
		t.Errorf("later: got %v, %v, want PAID", got, err)
	}
	s.check([]purchase{p}, nil)
}

// TestNoOrderIsNoAnswer has orders away for longer than a customer waits: whoever
// is told of an order must be able to read it.
func TestNoOrderIsNoAnswer(t *testing.T) {
	s := newShop(t, quick)
	client := s.run(1)
	p := purchase{key: "early", want: "completed"}
	s.world.fillCart(p.key)
	s.world.harm(p.key, "create", fails, always)
	if got, err := client.Place(t.Context(), p.request()); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("got %v, %v, want DEADLINE_EXCEEDED, for there is no order yet", got, err)
	}
	s.world.heal(p.key, "create")
	s.awaitEnds(1)
	got, err := client.Place(t.Context(), p.request())
	if err != nil || got.GetState() != "PAID" {
		t.Errorf("asked again with the same key: %v, %v, want PAID", got, err)
	}
	s.check([]purchase{p}, nil)
}

// TestNoOrderIsToldOfWhileItIsUndone has orders away for longer than a saga may
// try to make one: it is turned back, and what is to be cancelled is not there.
func TestNoOrderIsToldOfWhileItIsUndone(t *testing.T) {
	s := newShop(t, map[string]string{"lease": "700ms", "resume_every": "50ms", "give_up": "300ms"})
	client := s.run(1)
	p := purchase{key: "undone", want: "compensated", reason: "timeout"}
	s.world.fillCart(p.key)
	for _, step := range []string{"create", "cancel"} {
		s.world.harm(p.key, step, fails, always)
	}
	if got, err := client.Place(t.Context(), p.request()); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("got %v, %v, want DEADLINE_EXCEEDED, for there is no order", got, err)
	}
	s.world.await("the saga to be turned back", func() bool { return s.world.calls[site{p.key, "cancel"}] > 0 })
	if got, err := client.Place(t.Context(), p.request()); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("turned back: got %v, %v, want DEADLINE_EXCEEDED, for there is no order", got, err)
	}
	for _, step := range []string{"create", "cancel"} {
		s.world.heal(p.key, step)
	}
	s.awaitEnds(1)
	got, err := client.Place(t.Context(), p.request())
	if err != nil || got.GetState() != "CANCELLED" || got.GetReason() != "timeout" {
		t.Errorf("at the end: %v, %v, want CANCELLED", got, err)
	}
	s.check([]purchase{p}, nil)
}

// TestNoOrderIsToldOfThatIsRefused: orders will not have it, so that there is
// nothing to be read.
func TestNoOrderIsToldOfThatIsRefused(t *testing.T) {
	s := newShop(t, quick)
	client := s.run(1)
	p := purchase{key: "refused"}
	s.world.fillCart(p.key)
	s.world.harm(p.key, "create", refuses, always)
	for range 2 { // as it ends, and from the log
		got, err := client.Place(t.Context(), p.request())
		if err != nil || got.GetState() != "CANCELLED" || got.GetReason() != "rejected" || got.GetOrder() != "" {
			t.Errorf("got %v, %v, want CANCELLED, rejected and no order", got, err)
		}
		s.awaitEnds(1)
	}
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	if len(s.world.orders) != 0 {
		t.Error("there is an order all the same")
	}
}

func TestWhatCannotBeBought(t *testing.T) {
	s := newShop(t, quick)
	client := s.run(1)
	s.world.fillCart("gone")
	for _, c := range []struct{ key, reason string }{{"empty", "empty_cart"}, {"gone", "sold_out"}} {
		for range 2 {
			got, err := client.Place(t.Context(), purchase{key: c.key}.request())
			if err != nil || got.GetState() != "CANCELLED" || got.GetReason() != c.reason || got.GetOrder() != "" {
				t.Errorf("%s: got %v, %v, want CANCELLED, %s and no order", c.key, got, err, c.reason)
			}
			s.world.fillCart("empty") // too late for this key
		}
	}
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	if len(s.world.orders)+len(s.world.reservations)+len(s.world.charges) != 0 {
		t.Error("something was asked for all the same")
	}
}

func TestRefusals(t *testing.T) {
	s := newShop(t, quick)
	client := s.run(1)
	s.world.fillCart("k")
	if _, err := client.Place(t.Context(), purchase{key: "k"}.request()); err != nil {
		t.Fatal(err)
	}
	for why, r := range map[string]*checkoutpb.PlaceRequest{
		"no key":                      {Cart: "c", Customer: "ada", Card: "card"},
		"no cart":                     {Key: "x", Customer: "ada", Card: "card"},
		"no customer":                 {Key: "x", Cart: "c", Card: "card"},
		"no card":                     {Key: "x", Cart: "c", Customer: "ada"},
		"the key of another checkout": {Key: "k", Cart: "c", Customer: "ada", Card: "card"},
	} {
		if _, err := client.Place(t.Context(), r); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: got %v, want INVALID_ARGUMENT", why, err)
		}
	}
	s.world.harm("unread", "read", fails, 1)
	s.world.fillCart("unread")
	if _, err := client.Place(t.Context(), purchase{key: "unread"}.request()); status.Code(err) != codes.Unavailable {
		t.Errorf("a cart that cannot be read: got %v, want UNAVAILABLE and no saga", err)
	}
	s.awaitEnds(1)
}
