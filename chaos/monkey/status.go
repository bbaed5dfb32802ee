package monkey

import "time"

// A Status says how a monkey fares.
type Status struct {
	State  string    `json:"state"` // running, paused, halted or ended
	Start  time.Time `json:"start"`
	Next   *Coming   `json:"next,omitempty"` // what falls due next, if anything
	Live   []Fault   `json:"live"`           // that are not gone, oldest first
	Counts Counts    `json:"counts"`
	// Goodput is the share of good responses of late, if there are customers.
	Goodput *float64 `json:"goodput,omitempty"`
}

// A Coming is a fault that falls due.
type Coming struct {
	ID    string    `json:"id"`
	Fault string    `json:"fault"`
	Due   time.Time `json:"due"`
}

// Status returns how the monkey fares now.
func (m *Monkey) Status() Status {
	goodput, of := 0.0, 0
	if m.Goodput != nil {
		goodput, of = m.Goodput()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Status{State: "running", Start: m.Start, Live: []Fault{}, Counts: m.counts}
	switch {
	case m.halted:
		s.State = "halted"
	case m.ended:
		s.State = "ended"
	case m.paused:
		s.State = "paused"
	}
	if m.next != nil && !m.halted {
		s.Next = &Coming{m.next.ID, m.next.Action, m.Start.Add(m.next.At.D())}
	}
	for _, f := range m.live {
		s.Live = append(s.Live, f.Fault)
	}
	if of > 0 {
		s.Goodput = &goodput
	}
	return s
}

// History returns the last faults, at most a thousand, oldest first, those that
// were left out among them.
func (m *Monkey) History() []Fault {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := []Fault{}
	for _, f := range m.history {
		all = append(all, f.Fault)
	}
	return all
}
