// Package clock wakes who waits for a point in time, more exactly than Go's own
// timers do. Those end when epoll_wait(2) returns, which counts milliseconds: on
// a process that is idle otherwise they are half a millisecond late, or a whole
// one. A timerfd(2) is late by what the machine takes to wake a thread.
//
// Which function do you want?
//
//   - [New] makes a [Clock]; one is enough for a process.
//   - [Clock.Alarm] makes an alarm that can be set and cleared again and again.
//   - [Clock.Sleep] is time.Sleep.
package clock

import (
	"container/heap"
	"context"
	"fmt"
	"sync"
	"time"
)

// A Clock rings alarms when their time has come. All of them share one timer of
// the kernel, set to the first.
type Clock struct {
	bell *bell
	done chan struct{}

	mu      sync.Mutex
	waiting queue
	rings   time.Time // when the bell does; zero: it is not set
}

// New returns a clock. Its error is that of the kernel, which has no descriptor
// left.
func New() (*Clock, error) {
	b, err := newBell()
	if err != nil {
		return nil, fmt.Errorf("making a timer: %w", err)
	}
	c := &Clock{bell: b, done: make(chan struct{})}
	go c.run()
	return c, nil
}

// Close ends the clock: nothing rings any more when it returns.
func (c *Clock) Close() {
	c.bell.close()
	<-c.done
}

func (c *Clock) run() {
	defer close(c.done)
	for c.bell.wait() {
		c.ring(time.Now())
	}
}

// ring rings what is due and sets the bell to what comes next.
func (c *Clock) ring(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.waiting) > 0 && !c.waiting[0].at.After(now) {
		heap.Pop(&c.waiting).(*Alarm).ring()
	}
	c.rings = time.Time{}
	c.wind(now)
}

// wind makes sure that the bell rings no later than the first alarm. One that
// rings earlier, for an alarm that has been cleared, does no harm. The caller
// holds mu.
func (c *Clock) wind(now time.Time) {
	if len(c.waiting) == 0 {
		return
	}
	if first := c.waiting[0].at; c.rings.IsZero() || first.Before(c.rings) {
		c.rings = first
		c.bell.set(max(first.Sub(now), 1)) // nothing at all would stop the bell
	}
}

// Alarm returns an alarm that is not set. Each time that it is due it calls
// ring, which must neither block nor touch an alarm.
func (c *Clock) Alarm(ring func()) *Alarm {
	return &Alarm{clock: c, ring: ring, place: unset}
}

// Sleep returns at a point in time, or when ctx is done, whose error it is then.
func (c *Clock) Sleep(ctx context.Context, until time.Time) error {
	due := make(chan struct{})
	a := c.Alarm(func() { close(due) })
	a.Set(until)
	defer a.Clear()
	select {
	case <-due:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// An Alarm rings once each time that it is set. Any goroutine may use it.
type Alarm struct {
	clock *Clock
	ring  func()

	// Guarded by the clock's mu:
	at    time.Time
	place int // in the clock's queue
}

const unset = -1 // the place of an alarm that is not set

// Set makes the alarm ring at a time, instead of any that was set before; a time
// that has gone by is now.
func (a *Alarm) Set(at time.Time) {
	c := a.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case a.place == unset:
		a.at = at
		heap.Push(&c.waiting, a)
	case a.at.Equal(at):
		return
	default:
		a.at = at
		heap.Fix(&c.waiting, a.place)
	}
	c.wind(time.Now())
}

// Clear unsets the alarm: it does not ring any more when Clear returns.
func (a *Alarm) Clear() {
	c := a.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	if a.place != unset {
		heap.Remove(&c.waiting, a.place)
	}
}
