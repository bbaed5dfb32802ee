package fault

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
)

// echoPatience is for the machine: an unharmed packet is back within a
// millisecond, and half a second of silence is no accident even on a busy one.
const echoPatience = 500 * time.Millisecond

// echoes sends n echo requests to every victim and, while it is injected, as
// many to somebody who is not harmed. want judges a victim's answers beside
// that one's.
func (f impaired) echoes(ctx context.Context, s deploy.System, injected bool, n int, patience time.Duration, want func(victim, control Echoes) error) ([]Echoes, error) {
	var control Echoes
	if injected {
		peer, err := f.peer(s)
		if err == nil {
			control, err = echo(ctx, s, peer, n, patience, f.linger)
		}
		if err != nil {
			return nil, err
		}
		if control.Lost() > 0 {
			return nil, fmt.Errorf("of %d packets to %s, which is not harmed, %d are lost as well: that it is this fault's doing cannot be told", n, peer, control.Lost())
		}
	}
	var mu sync.Mutex
	var all []Echoes
	var asking sync.WaitGroup
	errs := map[string]error{}
	for _, in := range f.victims {
		asking.Go(func() {
			e, err := echo(ctx, s, in, n, patience, f.linger)
			if err == nil {
				err = want(e, control)
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, e)
			errs[in] = err
		})
	}
	asking.Wait()
	return all, f.each(func(in string) error { return errs[in] })
}

// whole wants that every packet comes back.
func (f impaired) whole(ctx context.Context, s deploy.System) (string, error) {
	const n = 200
	_, err := f.echoes(ctx, s, false, n, echoPatience, func(e, _ Echoes) error {
		if e.Lost() > 0 {
			return fmt.Errorf("%d of %d packets are still lost", e.Lost(), n)
		}
		return nil
	})
	return fmt.Sprintf("every one of %d packets comes back", n*len(f.victims)), err
}

// sample is how many packets show a share of them: so many that one in a
// million samples has none of it, and at most what takes a fraction of a second.
func sampleOf(share float64) int {
	return int(min(3000, max(50, math.Ceil(math.Log(1e-6)/math.Log(1-min(share, 0.99))))))
}

// likely reports whether k of n is what a share makes of it, but for one time
// in ten thousand.
func likely(k, n int, share float64) bool {
	const quantile = 3.891 // of the normal distribution, both tails together
	return k > 0 && math.Abs(float64(k)-share*float64(n)) <= quantile*math.Sqrt(float64(n)*share*(1-share))+0.5
}

// total adds up what all victims have lost, for a text.
func total(all []Echoes) (lost, sent int) {
	for _, e := range all {
		lost, sent = lost+e.Lost(), sent+e.Sent
	}
	return lost, sent
}
