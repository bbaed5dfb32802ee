package checkout_test

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A site is where a purchase may meet a fault.
type site struct{ key, step string }

func (w *world) site(order, step string) site {
	w.mu.Lock()
	defer w.mu.Unlock()
	return site{w.keys[order], step}
}

// What may happen to a call.
const (
	fails  = "fails"  // UNAVAILABLE, and nothing was done
	drops  = "drops"  // UNAVAILABLE, but it was done
	hangs  = "hangs"  // no answer, and nothing is done
	stalls = "stalls" // it was done, and no answer comes
	comes  = "comes late"
	// UNAVAILABLE, and it is done when everything else is over
	refuses = "refuses" // a definite no, and nothing was done
)

const always = -1

type fault struct {
	kind  string
	times int // always: every time
	met   int
	// release, if there is one, lets a call that hangs or stalls go on: it
	// ends as if there had been no fault.
	release chan struct{}
	refused bool // what hangs is refused when it is let go
}

func (w *world) harm(key, step, kind string, times int) *fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := &fault{kind: kind, times: times, release: make(chan struct{})}
	w.faults[site{key, step}] = f
	return f
}

func (w *world) heal(key, step string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.faults, site{key, step})
}

func (w *world) awaitMet(f *fault, times int) {
	w.t.Helper()
	w.await("a fault to be met", func() bool { return f.met >= times })
}

func (w *world) called(key, step string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls[site{key, step}]
}

// meet lets one call pass through its site. The effect runs under the world's
// lock.
func (w *world) meet(ctx context.Context, at site, effect func() error) error {
	w.mu.Lock()
	w.calls[at]++
	f := w.faults[at]
	if f != nil && f.times != always && f.met >= f.times {
		f = nil
	}
	kind := ""
	if f != nil {
		f.met++
		kind = f.kind
	}
	lost := status.Errorf(codes.Unavailable, "%s: %s", at.step, kind)
	var err error
	switch kind {
	case "", drops, stalls:
		err = effect()
	case comes:
		w.late = append(w.late, func() { _ = effect() })
	case refuses:
		err = refusal("%s: refused", at.step)
	}
	w.tell()
	w.mu.Unlock()
	switch kind {
	case fails, drops, comes:
		return lost
	case hangs, stalls:
		select {
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		case <-f.release:
		}
		if kind == hangs {
			w.mu.Lock()
			defer w.mu.Unlock()
			defer w.tell()
			if f.refused {
				return refusal("%s: refused at last", at.step)
			}
			return effect()
		}
	}
	return err
}

// arrive lets everything happen that was still on its way.
func (w *world) arrive() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, effect := range w.late {
		effect()
	}
	w.late = nil
}
