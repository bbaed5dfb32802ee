package relay

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/relay/message"
	"github.com/bedlamlab/bedlam/topology"
)

// A program is a rule that has been understood: what it does, without where
// and for how long.
type program struct {
	rule deploy.Rule
	harm harm
}

// same reports whether p and q do the same, so that one may go on as the other.
func (p *program) same(q *program) bool {
	return p.rule.Kind == q.rule.Kind && p.rule.Direction == q.rule.Direction &&
		p.rule.Seed == q.rule.Seed && share(p.rule) == share(q.rule) && p.rule.Established == q.rule.Established && string(p.rule.Args) == string(q.rule.Args)
}

// share is how many of the connections meet a rule, from 0 to 1.
func share(r deploy.Rule) float64 {
	if r.Toxicity == 0 {
		return 1
	}
	return r.Toxicity
}

// A posting is a program at work on one edge, and the evidence of its work.
type posting struct {
	*program
	link                       topology.Link
	harm                       harm // the program's, for this link
	chunks, bytes, connections atomic.Int64

	live context.Context // done when the rule has gone from the edge
	end  context.CancelFunc

	mu       sync.Mutex
	requests int64
	traces   []string
}

// mostTraces bounds the requests whose trace ids an edge keeps for each rule: a
// minute of a load ten times the usual one.
const mostTraces = 10_000

func newPosting(p *program, l topology.Link) *posting {
	at := &posting{program: p, link: l, harm: p.harm}
	at.live, at.end = context.WithCancel(context.Background())
	if s, ok := p.harm.(shared); ok {
		at.harm = s.onLink()
	}
	return at
}

// A meeting is a posting on one connection, from the first sight to the last.
type meeting struct {
	posting  *posting
	to, from *stage // nil where it does nothing
	requests meddler
	reset    bool
	breaks   bool
	fuse     *fuse       // nil: the rule does not end the connection by itself
	seen     atomic.Bool // it has touched the connection
}

// meet lets the program decide what it does to the connection of that number.
func (p *posting) meet(ordinal uint64) *meeting {
	// A stream of its own: the harm draws the same whatever the share, and who
	// meets a rule meets each of a larger share too.
	if part := share(p.rule); part < 1 && draws(p.rule.Seed, p.link, ordinal, "toxicity").Float64() >= part {
		return &meeting{posting: p}
	}
	e := p.harm.meet(func(d deploy.Direction) *rand.Rand {
		return draws(p.rule.Seed, p.link, ordinal, d)
	})
	m := &meeting{posting: p, requests: e.requests, breaks: e.breaks}
	if e.to != nil && p.rule.Direction != deploy.From {
		m.to = &stage{shaper: e.to, touch: m.touch, spares: p.rule.Established}
	}
	if e.from != nil && p.rule.Direction != deploy.To {
		m.from = &stage{shaper: e.from, touch: m.touch, spares: p.rule.Established}
	}
	if e.expires != nil {
		m.fuse = &fuse{expiry: *e.expires}
	}
	if e.reset {
		m.reset = true
		m.touched()
	}
	return m
}

// touch counts a chunk that the program has changed.
func (m *meeting) touch(c chunk) {
	m.touched() // first: who has seen the evidence may count on it
	m.posting.chunks.Add(1)
	m.posting.bytes.Add(int64(len(c.data)))
	if m.fuse != nil {
		m.fuse.touch()
	}
}

// touchRequest counts a request that the program has changed.
func (m *meeting) touchRequest(q message.Request) {
	m.touched()
	p := m.posting
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests++
	if q.Trace != "" && len(p.traces) < mostTraces {
		p.traces = append(p.traces, q.Trace)
	}
}

func (m *meeting) touched() {
	if !m.seen.Swap(true) {
		m.posting.connections.Add(1)
	}
}
