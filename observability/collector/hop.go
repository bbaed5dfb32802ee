package collector

import (
	"cmp"
	"strings"
)

// A Hop is where a request failed first.
type Hop struct {
	Site  string // the edge, "from->to", or a service
	Error string // in a word or two, the same for all failures of one sort
	Span  Span   // that shows it; its Message tells more
}

// FirstFailingHop finds the deepest span of a trace, by start, that failed
// without a failed child, and says where that is. It reports false if the
// request did not fail.
//
// The way there begins at the failed root and only goes from failed spans to
// failed children, so a failure that somebody made good leads nowhere:
//
//	loader->gateway ✗
//	└ gateway ✗                            a fallback for recommend was taken
//	  ├ gateway->recommend ✗               made good by the fallback
//	  ├ gateway->catalog, attempt 1 ✗      made good by attempt 2
//	  ├ gateway->catalog, attempt 2 ✓
//	  └ gateway->checkout ✗
//	    └ checkout ✗
//	      ├ checkout->payment, attempt 1 ✗ no answer: payment was killed
//	      ├ checkout->payment, attempt 2 ✗ ─── payment ✗ ─── payment->bank ✗   ◀ the hop
//	      └ checkout->inventory ✗          later: the compensation failed too
//
// Of several calls that failed below one span the first counts, as the others
// came after it; of several attempts of a call, the one that leads deepest, as
// it tells most. A callee that was killed has exported nothing, and then the
// caller's own span is the deepest. A span that was cancelled has not failed,
// but what is below it may have.
//
// A span names the edge of the client span that it is or that it stands below;
// without one, its own service.
func FirstFailingHop(spans []Span) (Hop, bool) {
	t := grow(spans)
	kids := make([][]int, len(t.order)) // places, by start
	var roots []int
	for i, b := range t.order {
		switch {
		case b.parent < 0:
			roots = append(roots, i)
		case !b.orphan: // what an orphan has to do with the root is not known
			kids[b.parent] = append(kids[b.parent], i)
		}
	}
	// leaf is the place to which each failed place leads. Children stand
	// behind their parents, so backwards they are done before them.
	leaf := make([]int, len(t.order))
	for i := len(t.order) - 1; i >= 0; i-- {
		leaf[i] = -1
		s := t.at(i)
		if !s.Error && s.Code != cancelled {
			continue
		}
		leaf[i] = t.blame(s, kids[i], leaf)
		if leaf[i] < 0 && s.Error {
			leaf[i] = i
		}
	}
	for _, r := range roots {
		if leaf[r] >= 0 {
			return t.hop(leaf[r]), true
		}
	}
	return Hop{}, false
}

const cancelled = "CANCELLED"

func (t *tree) at(place int) *Span { return &t.spans[t.order[place].span] }

// A trial is one call below a span, in all of its attempts.
type trial struct {
	attempt  int // the newest
	answered bool
	leaf     int // the deepest; -1: it did not fail
	again    bool
}

// blame returns the leaf of the child that made s fail, or -1.
func (t *tree) blame(s *Span, kids []int, leaf []int) int {
	type callee struct{ peer, name, statement string }
	var trials []*trial
	newest := map[callee]*trial{}
	for _, k := range kids {
		c := t.at(k)
		if c.Peer != "" && c.Kind == Client && s.Attrs["call.fallback.for"] == c.Peer {
			continue // s answered without it
		}
		to := callee{c.Peer, c.Name, c.Attrs["db.query.text"]}
		now := newest[to]
		answered := !c.Error && c.Code != cancelled
		if c.Attempt == 0 || now == nil || c.Attempt <= now.attempt {
			if now != nil && c.Attempt == 0 && answered {
				now.again = true // the same statement went well later on
			}
			now = &trial{leaf: -1}
			newest[to] = now
			trials = append(trials, now)
		}
		now.attempt = c.Attempt
		now.answered = now.answered || answered
		if leaf[k] >= 0 && (now.leaf < 0 || t.order[leaf[k]].depth > t.order[now.leaf].depth) {
			now.leaf = leaf[k]
		}
	}
	repeated := -1
	for _, c := range trials {
		switch {
		case c.leaf < 0 || c.answered:
		case !c.again:
			return c.leaf
		case repeated < 0:
			// A transaction that was repeated, perhaps. Statements bear no
			// attempt, so it is believed only if nothing else explains s.
			repeated = c.leaf
		}
	}
	return repeated
}

func (t *tree) hop(leaf int) Hop {
	s := *t.at(leaf)
	if to := s.Attrs["call.bulkhead.full"]; to != "" {
		return Hop{Site: s.Service + "->" + to, Error: "bulkhead full", Span: s}
	}
	h := Hop{Site: s.Service, Error: s.failure(), Span: s}
	for i := leaf; i >= 0; i = t.order[i].parent {
		if c := t.at(i); c.Kind == Client && c.Peer != "" {
			h.Site = c.Service + "->" + c.Peer
			break
		}
		if t.order[i].orphan {
			break
		}
	}
	return h
}

// failure names what went wrong so that like failures have one name: a
// message may hold ports and ids.
func (s *Span) failure() string {
	switch {
	case s.Attrs["call.breaker"] == "open":
		return "breaker open"
	case s.Code != "" && s.Code != "OK" && !(len(s.Code) == 3 && strings.HasPrefix(s.Code, "2")):
		return s.Code
	}
	for _, p := range phrases {
		if strings.Contains(s.Message, p) {
			return p
		}
	}
	return cmp.Or(s.Message, "failed")
}

// phrases are the words in which Go's network code tells what happened, among
// addresses and ports that are different each time. Calls without a code,
// such as a connection to a store, are known by them.
var phrases = []string{
	"connection refused", "connection reset", "broken pipe", "unexpected EOF", "i/o timeout",
	"no route to host", "network is unreachable", "context deadline exceeded", "context canceled",
}
