package topology

import "fmt"

// A Mechanism is one part of a [Policy] that can be taken away by itself. A
// fallback is none: it is the caller's own code, and the policy only names it.
type Mechanism string

// The mechanisms.
const (
	Timeout  Mechanism = "timeout"
	Retries  Mechanism = "retry"
	Breakers Mechanism = "breaker"
	Bulkhead Mechanism = "bulkhead"
	Hedge    Mechanism = "hedge"
)

// Mechanisms returns those that the policy has, in the order of its fields.
func (p Policy) Mechanisms() []Mechanism {
	var all []Mechanism
	for _, m := range []struct {
		name Mechanism
		has  bool
	}{{Timeout, p.Timeout > 0}, {Retries, p.Retry != nil}, {Breakers, p.Breaker != nil}, {Bulkhead, p.Bulkhead > 0}, {Hedge, p.Hedge > 0}} {
		if m.has {
			all = append(all, m.name)
		}
	}
	return all
}

// Without returns a copy of the system in which one mechanism of one edge is
// off. It is an error if the edge is not there or has no such mechanism.
func (s System) Without(edge string, m Mechanism) (System, error) {
	edges := append([]Edge(nil), s.Edges...)
	for i := range edges {
		p := &edges[i].Policy
		if edges[i].Name() != edge {
			continue
		}
		for _, has := range p.Mechanisms() {
			if has != m {
				continue
			}
			switch m {
			case Timeout:
				p.Timeout = 0
			case Retries:
				p.Retry = nil
			case Breakers:
				p.Breaker = nil
			case Bulkhead:
				p.Bulkhead = 0
			case Hedge:
				p.Hedge = 0
			}
			s.Edges = edges
			return s, nil
		}
		return s, fmt.Errorf("edge %s of %s has no %s", edge, s.Name, m)
	}
	return s, fmt.Errorf("%s has no edge %s", s.Name, edge)
}
