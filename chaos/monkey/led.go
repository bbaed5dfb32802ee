package monkey

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
)

// led is a fault under way. What is in it is the monkey's mu's, but for the
// channels.
type led struct {
	Fault
	injected chan struct{} // closed when it is injected, or will not be
	failure  error         // why it will not be
	lifted   chan struct{} // closed when it is lifted, or cannot be
}

// keepHistory is how many faults are remembered: a week of one a quarter of an
// hour. The journal has them all.
const keepHistory = 1000

// strike begins a fault's life, unless it may not be on now.
func (m *Monkey) strike(r chaos.Resolved, origin Origin) (*led, error) {
	f := &led{Fault: Fault{Resolved: r, Origin: origin, State: Injecting}, injected: make(chan struct{}), lifted: make(chan struct{})}
	m.mu.Lock()
	err := m.admit(r, origin)
	if m.history = append(m.history, f); len(m.history) > keepHistory {
		m.history = slices.Clone(m.history[1:])
	}
	if err == nil {
		m.live = append(m.live, f)
		if m.leading++; m.leading == 1 {
			m.idle = make(chan struct{})
		}
	}
	m.mu.Unlock()
	if err != nil {
		close(f.injected)
		close(f.lifted)
		m.change(f, WasLeftOut, func() { f.State, f.Reason = LeftOut, err.Error() })
		return f, refused{err}
	}
	go m.lead(f)
	return f, nil
}

// admit says why a fault may not begin now; m.mu is held.
func (m *Monkey) admit(r chaos.Resolved, origin Origin) error {
	switch {
	case m.halted:
		return ErrHalted
	case m.ended:
		return ErrEnded
	case m.paused && origin != Asked:
		return ErrPaused
	}
	var live []chaos.Resolved
	for _, f := range m.live {
		live = append(live, f.Resolved)
	}
	return m.Caps.admit(m.roster, live, r)
}

// lead takes a fault through its life.
func (m *Monkey) lead(f *led) {
	defer m.rest()
	grip, err := m.begin(f)
	if grip == nil {
		m.leave(f)
		close(f.lifted)
		close(f.injected)
		return
	}
	proven := make(chan struct{})
	if err == nil {
		go func() {
			defer close(proven)
			m.prove(f, grip)
		}()
		close(f.injected)
		m.hold(f)
	} else {
		close(proven)
		close(f.injected)
	}
	m.change(f, "", func() { f.State = Lifting })
	once := false
	err = grip.Lift(context.WithoutCancel(m.harm), func() {
		once = true
		m.change(f, WasLifted, func() { f.State, f.Lifted = Lifted, time.Now() })
		close(f.lifted)
	})
	<-proven
	m.finish(f, err)
	if !once {
		close(f.lifted)
	}
}

// rest ends the leading of a fault.
func (m *Monkey) rest() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.leading--; m.leading == 0 {
		close(m.idle)
	}
}

// begin records and injects. Without a grip nothing was touched.
func (m *Monkey) begin(f *led) (Grip, error) {
	err := context.Cause(m.harm)
	if err == nil {
		err = m.Lease()
	}
	if err == nil {
		err = m.Record(f.Resolved)
	}
	var grip Grip
	if err == nil {
		grip, err = m.Hand.Inject(m.harm, f.Resolved)
	}
	switch {
	case grip == nil:
		if err == nil {
			err = errors.New("nobody did it")
		}
		m.change(f, WasLeftOut, func() { f.State, f.Reason, f.failure = LeftOut, err.Error(), err })
	case err != nil:
		m.change(f, HasFailed, func() { f.Reason, f.failure = err.Error(), err })
	default:
		m.change(f, WasInjected, func() { f.State, f.Injected = On, time.Now() })
	}
	return grip, err
}

// hold waits until a fault's time is over, or all are to be lifted.
func (m *Monkey) hold(f *led) {
	t := time.NewTimer(f.Duration.D())
	defer t.Stop()
	select {
	case <-t.C:
	case <-m.harm.Done():
	}
}

func (m *Monkey) prove(f *led, grip Grip) {
	saw, err := grip.Proof()
	if err != nil {
		m.change(f, WasUnproven, func() { f.Proof = err.Error() })
		return
	}
	m.change(f, WasProven, func() { f.Proven, f.Proof = true, saw })
}

// finish ends a life. What could not be lifted stays among the live, and
// nothing is done beside it: whatever came after it could not be trusted.
func (m *Monkey) finish(f *led, err error) {
	if err == nil {
		m.leave(f)
		m.change(f, IsGone, func() { f.State = Gone })
		return
	}
	m.change(f, WasNotLifted, func() {
		f.State, f.Reason = NotLifted, err.Error()
		m.halted, m.wrong = true, errors.Join(m.wrong, err)
	})
	m.stop(ErrHalted)
}

// leave takes a fault from among the live.
func (m *Monkey) leave(f *led) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.live = slices.DeleteFunc(m.live, func(g *led) bool { return g == f })
}

// change does what is to be done to a fault, and tells of it, unless what is
// empty.
func (m *Monkey) change(f *led, what What, do func()) {
	m.mu.Lock()
	do()
	switch what {
	case WasInjected:
		m.counts.Injected++
	case WasProven:
		m.counts.Proven++
	case WasUnproven:
		m.counts.Unproven++
	case IsGone:
		m.counts.Gone++
	case WasNotLifted:
		m.counts.NotLifted++
	case HasFailed:
		m.counts.Failed++
	case WasLeftOut:
		m.counts.LeftOut++
	}
	e := Event{what, f.Fault}
	m.mu.Unlock()
	if what != "" {
		m.metrics.observe(e)
		m.Observe(e)
	}
}
