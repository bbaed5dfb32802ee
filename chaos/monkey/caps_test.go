package monkey_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/monkey"
	"github.com/bedlamlab/bedlam/topology"
)

// between is a harm to links, each written from->to.
func between(n int, at, duration time.Duration, action string, links ...string) chaos.Resolved {
	r := harm(n, at, duration, action)
	for _, l := range links {
		from, to, _ := strings.Cut(l, "->")
		r.Links = append(r.Links, topology.Link{From: from, To: to})
	}
	return r
}

// TestNoFaultStandsInAnothersProof: two that are on together are never such that
// the proof that one is gone waits for the other, which may take ten minutes and
// would be told as a fault that cannot be lifted.
func TestNoFaultStandsInAnothersProof(t *testing.T) {
	const long, short = 10 * time.Minute, 10 * time.Second
	for _, c := range []struct {
		why           string
		first, second chaos.Resolved
		want          string // in the reason of the second; empty: both are on
	}{
		{"bytes that come late come at a low rate", between(1, 0, long, "latency", "cart-1->postgres-1"), between(2, 0, short, "bandwidth", "cart-1->postgres-1"), "both harm the link cart-1->postgres-1"},
		{"one link of several is enough", between(1, 0, long, "latency", "orders-1->shipping-1", "orders-1->shipping-2"), between(2, 0, short, "slicer", "orders-1->shipping-2"), "both harm the link orders-1->shipping-2"},
		{"who hangs shows no clock", harm(1, 0, long, "pause", "cart-1"), harm(2, 0, short, "clock_skew", "cart-1"), "both harm cart-1"},
		{"nor who is down", harm(1, 0, long, "stop", "cart-1"), harm(2, 0, short, "cpu_quota", "cart-1"), "both harm cart-1"},
		{"a callee that hangs answers over no link", harm(1, 0, long, "pause", "payment-1"), between(2, 0, short, "latency", "checkout-1->payment-1"), "pause of payment-1"},
		{"who starts waits for its store", between(1, 0, long, "partition", "cart-1->postgres-1"), harm(2, 0, short, "kill", "cart-1"), "kill of cart-1"},
		{"which may be down", harm(1, 0, long, "pause", "postgres-1"), harm(2, 0, short, "kill", "cart-1"), "pause of postgres-1 would keep cart-1"},
		{"and the other way round", harm(1, 0, short, "kill", "cart-1"), harm(2, 0, long, "pause", "postgres-1"), "pause of postgres-1 would keep cart-1"},
		{"another link of the same caller", between(1, 0, long, "latency", "checkout-1->payment-1"), between(2, 0, short, "bandwidth", "checkout-1->cart-1"), ""},
		{"another service", harm(1, 0, long, "pause", "payment-1"), harm(2, 0, short, "kill", "cart-1"), ""},
		{"a caller waits for no callee but its store", harm(1, 0, long, "pause", "payment-1"), harm(2, 0, short, "kill", "checkout-1"), ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			o := config(&hand{}, each(c.first, c.second))
			o.Caps = monkey.Caps{Share: 100, Simultaneous: 2}
			m := monkey.New(o)
			if err := m.Run(t.Context()); err != nil {
				t.Fatalf("%s: %v", c.why, err)
			}
			second := m.History()[1]
			if left := second.State == monkey.LeftOut; left != (c.want != "") || !strings.Contains(second.Reason, c.want) || strings.Contains(second.Reason, "\n") {
				t.Errorf("%s: %s %q, want %q", c.why, second.State, second.Reason, c.want)
			}
		})
	}
}

// TestWhoAsksIsToldOfAnothersLink: what is asked for is held to the same.
func TestWhoAsksIsToldOfAnothersLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := config(&hand{}, each(between(1, 0, 10*time.Minute, "latency", "checkout-1->payment-1")))
		o.Caps.Simultaneous = 2
		m := monkey.New(o)
		ended := make(chan error, 1)
		go func() { ended <- m.Run(t.Context()) }()
		synctest.Wait()
		a := monkey.Ask{Fault: "bandwidth", Selector: chaos.Selector{Instances: []string{"checkout-1"}}, Target: &chaos.Selector{Services: []string{"payment"}},
			Args: []byte(`{"bandwidth":{"rate":"64KB/s"}}`), Duration: topology.Duration(10 * time.Second)}
		if f, err := m.Inject(a); err == nil || err.Error() != "monkey/1 is on: latency and bandwidth would both harm the link checkout-1->payment-1: that one is gone could not be seen beside the other" {
			t.Errorf("%+v, %v", f, err)
		}
		if err := errors.Join(m.Halt(t.Context()), <-ended); err != nil {
			t.Error(err)
		}
	})
}
