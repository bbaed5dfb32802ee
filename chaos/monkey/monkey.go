package monkey

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/topology"
)

// A Hand harms a system: the one thing here that does.
type Hand interface {
	// Inject writes the harm down and does it. A nil Grip means that nothing
	// was touched; any other must be lifted, whatever the error. ctx ends the
	// injection, and the proof after it.
	Inject(ctx context.Context, r chaos.Resolved) (Grip, error)
}

// A Grip is a harm that was begun.
type Grip interface {
	// Proof waits until a probe has seen the harm, or has given up; the error
	// says what it saw instead.
	Proof() (saw string, err error)
	// Lift puts right what was harmed, proves it and returns; it tells lifted
	// when it is put right and not yet proven.
	Lift(ctx context.Context, lifted func()) error
}

// A Config is what a monkey is made of.
type Config struct {
	Topology topology.System
	Caps     Caps
	Seed     uint64    // of what faults that are asked for leave open
	Start    time.Time // from which the faults' times count
	// Faults are what to do, by time, and Origin says where they come from.
	Faults iter.Seq[chaos.Resolved]
	Origin Origin
	Hand   Hand
	// Check says what is wrong with a fault that is asked for, before anybody
	// is chosen, and Supported then that it is not for these, or with
	// [errors.ErrUnsupported] that it cannot be done to them; Supported may be nil.
	Check     func(chaos.Spec) error
	Supported func(chaos.Resolved) error
	// Record is told of every fault before it is injected; one that cannot be
	// recorded is left out. May be nil.
	Record func(chaos.Resolved) error
	// Lease returns an error once nothing may be harmed any more. May be nil.
	Lease func() error
	// Observe is told what happens; it must not block. May be nil.
	Observe func(Event)
	// Choices are what the schedule draws from, for who asks.
	Choices []Choice
	// Goodput is the share of good responses of late, and of how many; may be
	// nil.
	Goodput func() (share float64, of int)
}

// Why a fault is left out.
var (
	ErrHalted = errors.New("the monkey was halted: it injects nothing more")
	ErrPaused = errors.New("the monkey is paused")
	ErrEnded  = errors.New("the monkey has ended")
)

// leaseEvery is how often the lease is asked for, besides before every fault:
// well under the guard's patience.
const leaseEvery = time.Second

// A Monkey is one that breaks, or has broken, a system. It is safe for
// concurrent use.
type Monkey struct {
	Config
	roster  roster
	metrics *metrics
	// harm ends when nothing more may be harmed and all is to be lifted.
	harm context.Context
	stop context.CancelCauseFunc

	mu      sync.Mutex
	leading int           // faults whose lives are not over
	idle    chan struct{} // closed while there are none
	paused  bool
	halted  bool
	ended   bool
	live    []*led
	history []*led
	counts  Counts
	next    *chaos.Resolved
	asked   int // faults that were asked for so far
	wrong   error
}

// New makes a monkey that does nothing yet.
func New(c Config) *Monkey {
	if c.Lease == nil {
		c.Lease = func() error { return nil }
	}
	if c.Observe == nil {
		c.Observe = func(Event) {}
	}
	if c.Record == nil {
		c.Record = func(chaos.Resolved) error { return nil }
	}
	if c.Supported == nil {
		c.Supported = func(chaos.Resolved) error { return nil }
	}
	m := &Monkey{Config: c, roster: newRoster(c.Topology), idle: make(chan struct{})}
	close(m.idle)
	m.harm, m.stop = context.WithCancelCause(context.Background())
	m.metrics = newMetrics(m)
	return m
}

// Run does the faults at their times until they are through, ctx ends or the
// lease is lost; what is on then is lifted before it returns. The error is of
// the lease, or says what could not be lifted.
func (m *Monkey) Run(ctx context.Context) error {
	err := m.follow(ctx)
	m.mu.Lock()
	m.ended, m.next = true, nil
	idle := m.idle // from here on nothing begins
	m.mu.Unlock()
	m.stop(ErrEnded)
	<-idle
	m.mu.Lock()
	defer m.mu.Unlock()
	return errors.Join(err, m.wrong)
}

// follow strikes at the faults' times. When the last is through it waits for
// what is still on.
func (m *Monkey) follow(ctx context.Context) error {
	next, stop := iter.Pull(m.Faults)
	defer stop()
	for {
		r, more := next()
		if !more {
			break
		}
		m.mu.Lock()
		m.next = &r
		m.mu.Unlock()
		for {
			left := time.Until(m.Start.Add(r.At.D()))
			if left <= 0 {
				break
			}
			if err := m.wait(ctx, min(left, leaseEvery)); err != nil || ctx.Err() != nil {
				return err
			}
		}
		_, _ = m.strike(r, m.Origin) // that it is left out stands in the history
	}
	m.mu.Lock()
	m.next = nil
	m.mu.Unlock()
	for m.busy() {
		if err := m.wait(ctx, leaseEvery/10); err != nil || ctx.Err() != nil {
			return err
		}
	}
	return nil
}

// busy reports whether a fault's life is not over.
func (m *Monkey) busy() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.leading > 0
}

// wait pauses for d, or until ctx ends; the error is the lease's.
func (m *Monkey) wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		return nil
	}
	return m.Lease()
}

// Pause leaves out what falls due until Resume. What is on stays on for its
// time, and a fault that is asked for is injected.
func (m *Monkey) Pause() error { return m.pause(true) }

// Resume ends a pause.
func (m *Monkey) Resume() error { return m.pause(false) }

func (m *Monkey) pause(paused bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.halted:
		return ErrHalted
	case m.ended:
		return ErrEnded
	}
	m.paused = paused
	return nil
}

// Halt lifts everything at once and injects nothing more, ever. It returns
// when all that was on is lifted, or could not be, or ctx ends; the proofs may
// take longer.
func (m *Monkey) Halt(ctx context.Context) error {
	m.mu.Lock()
	m.halted = true
	live := append([]*led(nil), m.live...)
	m.mu.Unlock()
	m.stop(ErrHalted)
	for _, f := range live {
		select {
		case <-f.lifted:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
