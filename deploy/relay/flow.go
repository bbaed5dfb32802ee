package relay

import (
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bedlamlab/bedlam/deploy/relay/clock"
)

// A flow is one direction of one connection. One goroutine runs it; others
// only order stages, ask it to show itself, or tell it that its source is lost.
//
//	            ┌── no stages ──▶ ferry or splice ──▶ interrupted, end or error ──┐
//	run ──▶ orders ──▶ inbox ──▶ advance ──▶ deliver ──▶ wait ──▶ ────────────────┴──▶ again
type flow struct {
	conn     *conn
	other    *flow // the same connection's other direction
	src, dst *net.TCPConn
	moved    *atomic.Int64 // bytes delivered, of the whole edge
	wake     chan struct{} // holds one: something has changed

	mu      sync.Mutex
	running bool
	syscall syscallState
	stopped bool     // a deadline has been set to get out of it
	orders  []*stage // the stages that it shall have
	ordered bool     // orders are not taken over yet
	asked   []*tally // who waits until orders are taken over
	lost    bool     // the source has gone; writing to it has shown that

	// Of the goroutine that runs it:
	chain
	reader    *reader
	small     []byte       // what ferry reads into
	pouring   bool         // the source has filled it: a splice pays
	load      int64        // bytes held
	sourced   bool         // the source has ended: no more is read
	resetting bool         // the source's reset is on its way through the stages
	mute      bool         // the destination is gone: nothing can be delivered
	finished  atomic.Bool  // the end has been delivered
	alarm     *clock.Alarm // rouses it when a chunk is due
}

// syscallState says which deadline gets at a flow that is in a system call.
type syscallState uint8

const (
	inNone   syscallState = iota
	inFerry               // reads and writes by turns
	inSplice              // may be interrupted while it reads only
	inWrite
)

func newFlow(c *conn, moved *atomic.Int64) *flow {
	f := &flow{conn: c, moved: moved, wake: make(chan struct{}, 1)}
	f.held = f.account
	f.alarm = c.edge.clock.Alarm(f.rouse)
	return f
}

// order tells the flow which stages it shall have from now on; t, which may be
// nil, counts when it has them. A flow that has them already is left in peace.
func (f *flow) order(stages []*stage, t *tally) {
	f.mu.Lock()
	same := !f.ordered && slices.Equal(f.orders, stages)
	if !same {
		f.orders, f.ordered = stages, true
		f.interrupt(t)
	}
	f.mu.Unlock()
	if !same {
		f.rouse()
	}
}

// show makes the flow count what it has moved so far.
func (f *flow) show(t *tally) {
	f.mu.Lock()
	f.interrupt(t)
	f.mu.Unlock()
	f.rouse()
}

// interrupt gets the flow out of its system call. A splice is only ever
// interrupted while it reads: then its pipe is empty. A flow that does not run
// has nothing under way, so nobody needs to wait for it.
func (f *flow) interrupt(t *tally) {
	if t != nil && f.running {
		t.add()
		f.asked = append(f.asked, t)
	}
	f.stopped = f.syscall != inNone
	f.setDeadlines(past)
}

// setDeadlines sets those that get at the system call which the flow is in. The
// caller holds mu.
func (f *flow) setDeadlines(t time.Time) {
	if f.syscall == inFerry || f.syscall == inSplice {
		f.src.SetReadDeadline(t)
	}
	if f.syscall == inFerry || f.syscall == inWrite {
		f.dst.SetWriteDeadline(t)
	}
}

// lose tells the flow that its source is gone. What the kernel has received of
// it is still delivered first.
func (f *flow) lose() {
	f.mu.Lock()
	f.lost = true
	f.mu.Unlock()
	f.rouse()
}

func (f *flow) rouse() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *flow) setRunning(running bool) {
	f.mu.Lock()
	f.running = running
	asked := f.asked
	f.asked = nil
	f.mu.Unlock()
	for _, t := range asked {
		t.one()
	}
}

// enter marks the beginning of a system call that can be interrupted. It
// reports false if there are orders to take over first.
func (f *flow) enter(s syscallState) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ordered || len(f.asked) > 0 {
		return false
	}
	f.syscall = s
	return true
}

// leave marks its end, and clears the deadline that may have ended it.
func (f *flow) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopped {
		f.setDeadlines(time.Time{})
	}
	f.syscall, f.stopped = inNone, false
}

// takeOver puts the ordered stages in place and reports whether the source is
// known to be lost.
func (f *flow) takeOver() (lost bool) {
	f.mu.Lock()
	orders, ordered, asked, lost := f.orders, f.ordered, f.asked, f.lost
	f.ordered, f.asked = false, nil
	f.mu.Unlock()
	if ordered {
		f.restage(orders, time.Now())
	}
	for _, t := range asked {
		t.one()
	}
	return lost
}

// account counts what the flow holds.
func (f *flow) account(delta int64) {
	f.load += delta
	if f.reader != nil {
		f.reader.add(delta)
	}
}
