package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/relay/clock"
	"github.com/bedlamlab/bedlam/topology"
)

// A refusal is an error that is the asker's fault.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

func refuse(format string, args ...any) error {
	return refusal{fmt.Errorf(format, args...)}
}

// errClosing answers who asks too late.
var errClosing = errors.New("the relay is closing")

// A network is all edges and the rules that are live on them.
type network struct {
	edges   []*edge
	at      map[topology.Link]*edge
	callers map[netip.Addr]string // who asks for names; nil: nobody
	wg      sync.WaitGroup

	mu     sync.Mutex
	rules  []*live // in the order in which they came
	closed bool
}

// A live is a rule with a life.
type live struct {
	rule    deploy.Rule
	program *program
	expires time.Time
	timer   *time.Timer
}

func newNetwork(ctx context.Context, edges []Edge, names *Names, c *clock.Clock) *network {
	n := &network{at: map[topology.Link]*edge{}}
	if names != nil {
		n.callers = names.Callers
	}
	for _, e := range edges {
		made := newEdge(ctx, &n.wg, c, e)
		n.edges = append(n.edges, made)
		n.at[e.Link] = made
	}
	return n
}

// open listens on every edge.
func (n *network) open() error {
	for _, e := range n.edges {
		if err := e.prepare(); err != nil {
			return err
		}
	}
	return nil
}

// close ends every edge and returns when nothing runs any more.
func (n *network) close() {
	n.mu.Lock()
	n.closed = true
	for _, l := range n.rules {
		l.timer.Stop()
	}
	n.mu.Unlock()
	for _, e := range n.edges {
		e.close()
	}
	n.wg.Wait()
}

// shape puts a rule in, in place of the one of the same ID. All of its links
// change or, on error, none. It returns when live connections have changed over.
func (n *network) shape(r deploy.Rule) error {
	p, err := n.compile(&r)
	if err != nil {
		return err
	}
	t := newTally()
	n.mu.Lock()
	err = n.put(r, p, t)
	n.mu.Unlock()
	t.wait()
	return err
}

// compile understands a rule, and puts it into its plain form.
func (n *network) compile(r *deploy.Rule) (*program, error) {
	h, err := decodeRule(r)
	if err != nil {
		return nil, err
	}
	for _, l := range r.Links {
		if n.at[l] == nil {
			return nil, refuse("unknown link %.100q", l.String())
		}
		if _, ok := h.(misleading); ok {
			if err := n.named(l); err != nil {
				return nil, refuse("rule %q: %s on %.100q: %w", r.ID, r.Kind, l.String(), err)
			}
		}
		if c, ok := h.(choosy); ok {
			if err := c.suits(n.at[l].Protocol); err != nil {
				return nil, refuse("rule %q: %s on %.100q: %w", r.ID, r.Kind, l.String(), err)
			}
		}
	}
	return &program{rule: *r, harm: h}, nil
}

func (n *network) put(r deploy.Rule, p *program, t *tally) error {
	if n.closed {
		return errClosing
	}
	for i, l := range r.Links {
		if err := n.at[l].prepare(); err != nil {
			for _, l := range r.Links[:i] {
				n.at[l].settleListener()
			}
			return err
		}
	}
	touched := slices.Clone(r.Links)
	was := n.find(r.ID)
	if was != nil {
		touched = append(touched, was.rule.Links...)
		was.timer.Stop()
	}
	l := &live{rule: r, program: p, expires: time.Now().Add(r.TTL.D())}
	if was != nil && was.program.same(p) {
		l.program = was.program // it goes on: no draw is repeated, no byte moved
		n.rules[slices.Index(n.rules, was)] = l
	} else {
		n.remove(was)
		n.rules = append(n.rules, l)
	}
	l.timer = time.AfterFunc(r.TTL.D(), func() { n.expire(l) })
	return n.spread(touched, t)
}

// unshape takes a rule out; there may be none. The error is that of a listener
// that the rule has barred and that cannot be had again: the rule is gone, and
// to ask once more tries once more.
func (n *network) unshape(id string) error {
	t := newTally()
	n.mu.Lock()
	var err error
	if l := n.find(id); l != nil {
		err = n.drop(l, t)
	} else if !n.closed {
		for _, e := range n.edges {
			err = errors.Join(err, e.settleListener())
		}
	}
	n.mu.Unlock()
	t.wait()
	return err
}

func (n *network) drop(l *live, t *tally) error {
	l.timer.Stop()
	n.remove(l)
	return n.spread(l.rule.Links, t)
}

// expire drops a rule that nobody has renewed.
func (n *network) expire(l *live) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed || !slices.Contains(n.rules, l) {
		return
	}
	if left := time.Until(l.expires); left > 0 {
		l.timer.Reset(left) // renewed at the last moment
		return
	}
	slog.Warn("relay: rule dropped, nobody has renewed it", "rule", l.rule.ID, "kind", l.rule.Kind, "ttl", l.rule.TTL.String())
	if err := n.drop(l, nil); err != nil {
		slog.Error("relay: its link does not listen again", "rule", l.rule.ID, "err", err)
	}
}

// renew extends every rule's life by its TTL from now.
func (n *network) renew() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range n.rules {
		l.expires = time.Now().Add(l.rule.TTL.D())
		l.timer.Reset(l.rule.TTL.D())
	}
}

// list returns the live rules in the order in which they came.
func (n *network) list() []deploy.Rule {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make([]deploy.Rule, 0, len(n.rules))
	for _, l := range n.rules {
		all = append(all, l.rule)
	}
	return all
}

// setUpstream notes that an instance is down, or up again.
func (n *network) setUpstream(instance string, up bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return errClosing
	}
	var known bool
	var errs []error
	for _, e := range n.edges {
		if e.Link.To == instance {
			known = true
			errs = append(errs, e.setUp(up))
		}
	}
	if !known {
		return refuse("no link leads to %.100q", instance)
	}
	return errors.Join(errs...)
}

func (n *network) find(id string) *live {
	for _, l := range n.rules {
		if l.rule.ID == id {
			return l
		}
	}
	return nil
}

func (n *network) remove(l *live) {
	n.rules = slices.DeleteFunc(n.rules, func(o *live) bool { return o == l })
}

// spread brings the rules as they are now to these links, to all of them
// whatever the error is.
func (n *network) spread(links []topology.Link, t *tally) error {
	var errs []error
	done := map[topology.Link]bool{}
	for _, link := range links {
		if done[link] {
			continue
		}
		done[link] = true
		var programs []*program
		for _, l := range n.rules {
			if slices.Contains(l.rule.Links, link) {
				programs = append(programs, l.program)
			}
		}
		errs = append(errs, n.at[link].set(programs, t))
	}
	return errors.Join(errs...)
}
