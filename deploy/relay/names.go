package relay

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/names"
	"github.com/bedlamlab/bedlam/topology"
)

// Names has a relay be its callers' name server: who asks for a callee is told
// where the relay listens for the two of them. Ports have no names; callers know
// those already.
type Names struct {
	Listen  string                `json:"listen"`  // host:port, of UDP and of TCP
	Callers map[netip.Addr]string `json:"callers"` // who asks, by the address that the question comes from
}

func (n Names) validate() error {
	if _, _, err := net.SplitHostPort(n.Listen); err != nil {
		return fmt.Errorf("the name server's %.100q is not host:port", n.Listen)
	}
	if len(n.Callers) == 0 {
		return errors.New("the name server has nobody to answer")
	}
	for at, caller := range n.Callers {
		if !at.Is4() || caller == "" {
			return fmt.Errorf("the name server's caller %.100q at %s: want a name and an IPv4 address", caller, at)
		}
	}
	return nil
}

// answerNames begins to answer the callers' questions, until ctx is done, and
// returns where. What ends it sooner goes to failed.
func (n *network) answerNames(ctx context.Context, c Names, failed chan<- error) (string, error) {
	s, err := names.Listen(c.Listen)
	if err != nil {
		return "", err
	}
	n.wg.Go(func() {
		if err := s.Serve(ctx, n); err != nil {
			failed <- err
		}
	})
	return s.Address(), nil
}

// Find implements [names.Book].
func (n *network) Find(from netip.Addr, instance string) names.Fate {
	e := n.at[topology.Link{From: n.callers[from], To: instance}]
	if e == nil {
		return names.Fate{}
	}
	return e.find()
}

// named says why nobody asks for the name of a link's callee.
func (n *network) named(l topology.Link) error {
	if n.callers == nil {
		return errors.New("this relay answers no questions for names")
	}
	for _, caller := range n.callers {
		if caller == l.From {
			return nil
		}
	}
	return fmt.Errorf("%s asks for no names: it knows addresses", l.From)
}

// find lets a question for the edge's name meet its rules, in the order in
// which they came.
func (e *edge) find() names.Fate {
	e.mu.Lock()
	defer e.mu.Unlock()
	var f names.Fate
	if at, err := netip.ParseAddrPort(e.address); err == nil {
		f.Address = at.Addr().Unmap()
	}
	e.asked++
	for _, p := range e.postings {
		if h, ok := p.harm.(misleading); ok && h.mislead(&f, draws(p.rule.Seed, e.Link, e.asked, "name")) {
			p.mu.Lock()
			p.requests++
			p.mu.Unlock()
		}
	}
	return f
}

// onConnections reports whether a rule is about connections, as all are but
// those about names.
func onConnections(p *posting) bool {
	_, misleads := p.harm.(misleading)
	return !misleads
}

// aboutNames is what the rules about names have in common.
type aboutNames struct{}

// meet implements [harm]: to a connection, nothing is done.
func (aboutNames) meet(func(deploy.Direction) *rand.Rand) effect { return effect{} }

// plain reports what of a rule has no meaning for a question.
func (aboutNames) plain(r deploy.Rule) error {
	switch {
	case r.Direction != deploy.Both:
		return errors.New("direction must be both: a question and its answer are one")
	case share(r) < 1 || r.Established:
		return errors.New("a question is on no connection: it has neither a toxicity nor is it established")
	}
	return nil
}
