package payment_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"

	"github.com/bedlamlab/bedlam/services/internal/serve"
	"github.com/bedlamlab/bedlam/services/payment"
)

// How a request on a key is made, for the tables below.
var requests = map[string]func(w *world, replica int, key string) *actor{
	"capture": func(w *world, replica int, key string) *actor {
		return newActor(func(ctx context.Context) error {
			_, err := w.replicas[replica].Capture(ctx, capture(key))
			return serve.Status(ctx, err)
		})
	},
	"declined": func(w *world, replica int, key string) *actor {
		return newActor(func(ctx context.Context) error {
			c := capture(key)
			c.Card = "declined"
			_, err := w.replicas[replica].Capture(ctx, c)
			return serve.Status(ctx, err)
		})
	},
	"refund": func(w *world, replica int, key string) *actor {
		return newActor(func(ctx context.Context) error {
			_, err := w.replicas[replica].Refund(ctx, key, "o-"+key)
			return serve.Status(ctx, err)
		})
	},
	"resolver": func(w *world, replica int, _ string) *actor {
		return newActor(func(ctx context.Context) error {
			_, err := payment.NewResolver(w.replicas[replica]).Once(ctx)
			return serve.Status(ctx, err)
		})
	},
}

func (w *world) request(what string, replica int, key string) *actor {
	return requests[what](w, replica, key)
}

// kept requires that what each request was told still holds at the end.
func kept(t fataler, history []string, actors []*actor, state payment.State) {
	for i, a := range actors {
		if a.dead {
			continue // nobody was told anything
		}
		code := status.Code(a.failed)
		var lie bool
		switch {
		case history[i] == "resolver":
		case code == codes.OK && history[i] == "refund":
			lie = state != payment.Refunded && state != payment.Void && state != payment.Declined
		case code == codes.OK:
			lie = state != payment.Captured && state != payment.Refunded
		case code == codes.FailedPrecondition:
			lie = state == payment.Captured
		case code == codes.InvalidArgument: // a capture and its declined twin share a key
		case code == codes.Unavailable, code == codes.DeadlineExceeded, code == codes.Canceled: // ask again
		default:
			t.Fatalf("%s ended with %v", history[i], a.failed)
		}
		if lie {
			t.Fatalf("%s was told %v, and in the end the charge is %s", history[i], a.failed, state)
		}
	}
}

// TestDeathAtEveryStep kills a replica at each step of each request in turn,
// and lets each kind of survivor put it right.
func TestDeathAtEveryStep(t *testing.T) {
	w := newWorld(t)
	trials := 0
	for name, before := range map[string][]string{
		"capture":  {},
		"declined": {},
		"refund":   {"capture"},
	} {
		for _, survivor := range []string{"again", "refund", "resolver", "half a capture, then refund"} {
			for last := 0; ; last++ {
				trials++
				key := fmt.Sprintf("%s-%d", name, trials)
				for _, b := range before {
					play(t.Context(), []*actor{w.request(b, 0, key)}, func([]int) (int, verdict) { return 0, goOn })
				}
				if survivor == "half a capture, then refund" {
					// The capture dies after the bank has charged.
					kill(t.Context(), w.request("capture", 1, key), 2)
				}
				a := w.request(name, 0, key)
				finished := kill(t.Context(), a, last)
				switch survivor {
				case "again":
					play(t.Context(), []*actor{w.request(name, 1, key)}, func([]int) (int, verdict) { return 0, goOn })
				case "refund", "half a capture, then refund":
					r := w.request("refund", 1, key)
					play(t.Context(), []*actor{r}, func([]int) (int, verdict) { return 0, goOn })
					if r.failed != nil {
						t.Errorf("%s, dead before step %d: the refund was told %v", name, last, r.failed)
					}
				}
				w.recover(t)
				state := w.audit(t, key)
				kept(t, []string{name}, []*actor{a}, state)
				switch {
				case survivor == "again" && name == "capture" && state != payment.Captured,
					survivor == "again" && name == "declined" && state != payment.Declined,
					survivor == "again" && name == "refund" && state != payment.Refunded,
					survivor != "again" && survivor != "resolver" && state == payment.Captured:
					t.Errorf("%s, dead before step %d, then %s: the charge is %s", name, last, survivor, state)
				}
				if finished {
					break
				}
			}
		}
	}
	// A capture has four steps and a refund as many, and there is a death
	// before each, for each survivor.
	if trials < 3*4*4 {
		t.Errorf("only %d deaths were tried: the gates are not where they should be", trials)
	}
}

// kill runs an actor alone and ends it before its step number last, from 0; it
// reports whether the actor finished before that.
func kill(ctx context.Context, a *actor, last int) (finished bool) {
	step := 0
	play(ctx, []*actor{a}, func([]int) (int, verdict) {
		defer func() { step++ }()
		if step == last {
			return 0, die
		}
		return 0, goOn
	})
	return !a.dead
}

// TestEveryOrder plays pairs of requests on one key and two replicas in every
// order of their steps. The pair that this is about: the saga gives up on a
// capture that is still on its way, and refunds it.
func TestEveryOrder(t *testing.T) {
	w := newWorld(t)
	n := 0
	for _, r := range []struct {
		history []string
		want    []payment.State // what it may end as
	}{
		{[]string{"capture", "refund"}, []payment.State{payment.Refunded, payment.Void}},
		{[]string{"capture", "capture"}, []payment.State{payment.Captured}},
		{[]string{"declined", "refund"}, []payment.State{payment.Declined, payment.Void}},
		{[]string{"capture", "declined"}, []payment.State{payment.Captured, payment.Declined}},
	} {
		t.Run(fmt.Sprint(r.history), func(t *testing.T) {
			ended := map[payment.State]int{}
			orders := everyOrder(func(choose func([]int) (int, verdict)) {
				n++
				key := fmt.Sprintf("k-%d", n)
				actors := []*actor{w.request(r.history[0], 0, key), w.request(r.history[1], 1, key)}
				play(t.Context(), actors, choose)
				for i, a := range actors {
					if c := status.Code(a.failed); c != codes.OK && c != codes.FailedPrecondition && c != codes.InvalidArgument {
						t.Errorf("%s was told %v although nothing was lost", r.history[i], a.failed)
					}
				}
				// Before any resolver: the requests themselves must have settled it.
				state := w.audit(t, key)
				kept(t, r.history, actors, state)
				ended[state]++
			})
			for _, s := range r.want {
				if ended[s] == 0 {
					t.Errorf("in none of %d orders it ended as %s: the race was not run", orders, s)
				}
				orders -= ended[s]
			}
			if orders != 0 {
				t.Errorf("it ended as %v, want only %v", ended, r.want)
			}
		})
	}
}

// TestStorms plays up to four requests on one key in random orders of their
// steps, loses messages and kills replicas in the middle, and then lets the
// resolver put it right.
func TestStorms(t *testing.T) {
	w := newWorld(t)
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		n++
		key := fmt.Sprintf("k-%d", n)
		history := rapid.SliceOfN(rapid.SampledFrom([]string{"capture", "capture", "refund", "resolver", "declined"}), 1, 4).Draw(r, "requests")
		actors := make([]*actor, len(history))
		for i, what := range history {
			actors[i] = w.request(what, i%2, key)
		}
		play(t.Context(), actors, func(standing []int) (int, verdict) {
			who := rapid.IntRange(0, len(standing)-1).Draw(r, "who")
			return who, rapid.SampledFrom([]verdict{goOn, goOn, goOn, goOn, goOn, goOn, lose, die}).Draw(r, "how")
		})
		w.recover(r)
		state := w.audit(r, key)
		kept(r, history, actors, state)
		// What is asked for once more is answered, and plainly.
		for _, what := range []string{"capture", "refund"} {
			a := w.request(what, n%2, key)
			play(t.Context(), []*actor{a}, func([]int) (int, verdict) { return 0, goOn })
			if c := status.Code(a.failed); c != codes.OK && c != codes.FailedPrecondition && c != codes.InvalidArgument {
				r.Fatalf("afterwards %s is told %v", what, a.failed)
			}
		}
		if state := w.audit(r, key); state == payment.Captured || state == "" {
			r.Fatalf("after a last refund it is %q", state)
		}
	})
}

// TestUnknownIsNotDeclined loses every answer of the bank, before or after its
// effect: the caller must hear that nothing is known, and the charge must wait.
func TestUnknownIsNotDeclined(t *testing.T) {
	w := newWorld(t)
	for i, lost := range []int{1, 2} { // the question, the answer
		key := fmt.Sprintf("k-%d", i)
		a := w.request("capture", 0, key)
		step := 0
		play(t.Context(), []*actor{a}, func([]int) (int, verdict) {
			defer func() { step++ }()
			if step == lost {
				return 0, lose
			}
			return 0, goOn
		})
		want(t, "a lost message", a.failed, codes.Unavailable, "")
		got, err := w.replicas[1].Get(t.Context(), key)
		want(t, "get", err, codes.OK, "")
		if got.State != payment.Pending {
			t.Errorf("after a lost message the charge is %s, want pending", got.State)
		}
		got, err = w.replicas[1].Capture(t.Context(), capture(key))
		want(t, "capture again", err, codes.OK, "")
		if got.State != payment.Captured || w.audit(t, key) != payment.Captured {
			t.Errorf("capture again: got %+v", got)
		}
	}
}

// TestHangUp: a caller that has gone does not keep the bank's answer from
// being booked.
func TestHangUp(t *testing.T) {
	w := newWorld(t)
	ctx, hangUp := context.WithCancel(t.Context())
	step := 0
	a := w.request("capture", 0, "k")
	play(ctx, []*actor{a}, func([]int) (int, verdict) {
		if step++; step == 4 { // open, question, answer, and now the booking
			hangUp()
		}
		return 0, goOn
	})
	if a.failed != nil && !errors.Is(a.failed, context.Canceled) {
		t.Errorf("the capture ended with %v", a.failed)
	}
	if got := w.audit(t, "k"); got != payment.Captured {
		t.Errorf("the charge is %s, want captured although nobody waited", got)
	}
}
