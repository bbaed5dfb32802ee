package guard_test

import (
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy/guard"
)

func TestLease(t *testing.T) {
	const length = 5 * time.Second
	type look struct {
		at   float64 // seconds by the guard's clock
		sign int     // which sign of life is seen
		want bool
	}
	every := func(from, to float64, sign int) (all []look) { // as the guard asks: every quarter of a second
		for at := from; at < to; at += 0.25 {
			all = append(all, look{at: at, sign: sign})
		}
		return all
	}
	for _, c := range []struct {
		name  string
		looks []look
	}{
		{"an owner that renews", append(every(0, 4, 1), append(every(4, 8, 2), every(8, 12, 3)...)...)},
		{"silence", append(every(0, 5, 1), look{5, 1, true})},
		{"silence, and silence again", append(append(every(0, 5, 1), look{5, 1, true}), append(every(5.25, 10, 1), look{10, 1, true})...)},
		{"the guard was frozen, too", append(every(0, 1, 1), look{61, 1, false})},
		{"and then the owner is silent", append(append(every(0, 1, 1), every(61, 66, 1)...), look{66, 1, true})},
		{"the wall clock goes back: a change is a sign", append(every(0, 4, 5), every(4, 8.75, 1)...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			began := time.Now()
			expired := guard.Watch(length)
			for _, l := range c.looks {
				now := began.Add(time.Duration(l.at * float64(time.Second)))
				if got := expired(now, time.Unix(int64(l.sign), 0)); got != l.want {
					t.Errorf("at %gs: expired is %t, want %t", l.at, got, l.want)
				}
			}
		})
	}
}
