package relay

import (
	"slices"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

// LinkStats is what one link has carried since the relay started.
type LinkStats struct {
	Link         topology.Link `json:"link"`
	Listen       string        `json:"listen"`        // host:port that the caller dials
	Listening    bool          `json:"listening"`     // false: the callee is down, callers are refused
	Accepted     int64         `json:"accepted"`      // connections
	Open         int64         `json:"open"`          // of them, now
	DialFailures int64         `json:"dial_failures"` // connections whose callee could not be dialled
	// Switched counts connections that were reset because a rule about
	// requests came, and nobody had read them from the beginning.
	Switched  int64 `json:"switched,omitempty"`
	BytesTo   int64 `json:"bytes_to"`   // delivered to the callee
	BytesFrom int64 `json:"bytes_from"` // delivered to the caller
	// Rules holds what each rule did to this link: the live ones, and the last
	// 64 that are gone. It is the evidence that a rule had an effect.
	Rules []RuleStats `json:"rules,omitempty"`
}

// RuleStats is what one rule has done to one link.
type RuleStats struct {
	ID   string `json:"id"`
	Kind string `json:"kind"`
	Live bool   `json:"live"`
	// Chunks counts pieces that the rule has changed: reads of up to 64 KiB,
	// set-ups, ends and resets. Bytes is what they held, Connections on how
	// many connections they were, or how many the rule has ended.
	Chunks      int64 `json:"chunks"`
	Bytes       int64 `json:"bytes"`
	Connections int64 `json:"connections"`
	// Requests counts those that a rule about requests has harmed, and the
	// questions that one about names has.
	Requests int64 `json:"requests,omitempty"`
}

// touched adds up what a rule has done to requests, on all the links that it is
// on or was; nothing of a rule that nobody knows any more.
func (n *network) touched(id string) deploy.Touched {
	var all deploy.Touched
	for _, e := range n.edges {
		e.mu.Lock()
		for _, p := range slices.Concat(e.past, e.postings) {
			if p.rule.ID == id {
				p.mu.Lock()
				all.Requests += p.requests
				all.Traces = append(all.Traces, p.traces...)
				p.mu.Unlock()
			}
		}
		e.mu.Unlock()
	}
	return all
}

// stats asks every flow to count what it has moved, then adds up.
func (n *network) stats() []LinkStats {
	t := newTally()
	for _, e := range n.edges {
		e.show(t)
	}
	t.wait()
	all := make([]LinkStats, 0, len(n.edges))
	for _, e := range n.edges {
		all = append(all, e.stats())
	}
	return all
}

func (e *edge) show(t *tally) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for c := range e.conns {
		c.show(t)
	}
}

func (e *edge) stats() LinkStats {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := LinkStats{
		Link: e.Link, Listen: e.address, Listening: e.listener != nil,
		Accepted: e.accepted.Load(), Open: int64(len(e.conns)), DialFailures: e.dialFailures.Load(), Switched: e.switched.Load(),
		BytesTo: e.movedTo.Load(), BytesFrom: e.movedFrom.Load(),
	}
	for _, p := range e.past {
		s.Rules = append(s.Rules, p.stats(false))
	}
	for _, p := range e.postings {
		s.Rules = append(s.Rules, p.stats(true))
	}
	return s
}

func (p *posting) stats(live bool) RuleStats {
	p.mu.Lock()
	requests := p.requests
	p.mu.Unlock()
	return RuleStats{
		ID: p.rule.ID, Kind: p.rule.Kind, Live: live, Requests: requests,
		Chunks: p.chunks.Load(), Bytes: p.bytes.Load(), Connections: p.connections.Load(),
	}
}
