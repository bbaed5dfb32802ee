package gateway

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// A class is how urgent a request is; a smaller one is let in first.
type class int

const (
	buying      class = iota // filling a cart, paying
	browsing                 // whatever else a customer waits for
	prefetching              // what a browser asks for in case it is needed
	classes
)

func (c class) String() string {
	return [...]string{"buying", "browsing", "prefetching"}[c]
}

// errShed says that a request was turned away before anything was done.
var errShed = errors.New("too many requests at once")

// gate lets a bounded number of requests in; a bounded number waits outside,
// each class in a line of its own.
//
//	          ┌ buying ······▸ ┐
//	arrive ─▶ ├ browsing ····▸ ├─▶ slots ─▶ leave
//	          └ prefetching ·▸ ┘
//	line full, or waited too long: shed
type gate struct {
	mu    sync.Mutex
	free  int
	keep  [classes]int // slots that a class leaves to the ones before it
	room  [classes]int // how many may wait
	lines [classes][]*waiter
}

type waiter struct {
	ctx context.Context
	in  chan struct{} // closed when it has got a slot
}

func newGate(slots int) *gate {
	return &gate{
		free: slots,
		// Guesses of a browser get at most half of the shop.
		keep: [classes]int{prefetching: slots / 2},
		// A line as long as the slots are many is worked off in about the
		// time that one request takes; a longer one only makes everybody late.
		room: [classes]int{buying: slots, browsing: slots, prefetching: max(1, slots/8)},
	}
}

// enter waits for a slot until ctx is done. Whoever gets one must leave.
func (g *gate) enter(ctx context.Context, c class) error {
	g.mu.Lock()
	g.dispatch()
	if g.free > g.keep[c] && g.nobodyBefore(c) {
		g.free--
		g.mu.Unlock()
		return nil
	}
	if len(g.lines[c]) >= g.room[c] {
		g.mu.Unlock()
		return errShed
	}
	w := &waiter{ctx: ctx, in: make(chan struct{})}
	g.lines[c] = append(g.lines[c], w)
	g.mu.Unlock()
	select {
	case <-w.in:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-w.in: // it came at the same moment, and is no longer of use
		g.free++
		g.dispatch()
	default:
		g.lines[c] = slices.DeleteFunc(g.lines[c], func(v *waiter) bool { return v == w })
	}
	return errShed
}

// leave gives the slot to whoever is next.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.free++
	g.dispatch()
}

// dispatch lets in whom it can, and passes over those whose time is up: what
// is made for them would be thrown away.
func (g *gate) dispatch() {
	for c := range g.lines {
		for len(g.lines[c]) > 0 && g.free > g.keep[c] {
			w := g.lines[c][0]
			g.lines[c] = g.lines[c][1:]
			if w.ctx.Err() == nil {
				g.free--
				close(w.in)
			}
		}
	}
}

// nobodyBefore reports whether no one of the class or of a more urgent one waits.
func (g *gate) nobodyBefore(c class) bool {
	for _, line := range g.lines[:c+1] {
		if len(line) > 0 {
			return false
		}
	}
	return true
}
