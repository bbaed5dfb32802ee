package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bedlamlab/bedlam/deploy/relay/clock"
)

// remembered is how many rules that are gone an edge keeps the evidence of, so
// that who lifts a rule can ask afterwards what it did. A few dozen cover the
// experiments of a suite that touch one link.
const remembered = 64

// errDown is why a callee that is known to be down is not dialled.
var errDown = errors.New("the callee is down")

// An edge is one listener and its connections.
type edge struct {
	Edge
	ctx   context.Context // of the relay
	wg    *sync.WaitGroup // of the relay: everything that runs
	clock *clock.Clock    // of the relay

	accepted, dialFailures, switched, movedTo, movedFrom atomic.Int64

	mu       sync.Mutex
	listener *net.TCPListener // nil while closed
	address  string           // host:port, once it has listened
	up       bool             // the callee is not known to be down
	postings []*posting
	past     []*posting // gone, oldest first
	conns    map[*conn]struct{}
	ordinal  uint64
	asked    uint64 // questions for its name
}

func newEdge(ctx context.Context, wg *sync.WaitGroup, c *clock.Clock, e Edge) *edge {
	return &edge{Edge: e, ctx: ctx, wg: wg, clock: c, address: e.Listen, up: true, conns: map[*conn]struct{}{}}
}

// open listens, if it does not yet. The caller holds mu.
func (e *edge) open() error {
	if e.listener != nil {
		return nil
	}
	if e.ctx.Err() != nil {
		return errClosing
	}
	var lc net.ListenConfig
	lc.SetMultipathTCP(false) // splice(2) and TCP_INFO want plain TCP
	ln, err := lc.Listen(e.ctx, "tcp", e.address)
	if err != nil {
		return fmt.Errorf("listening for %s: %w", e.Link, err)
	}
	e.listener = ln.(*net.TCPListener)
	e.address = ln.Addr().String()
	e.wg.Go(func() { e.accept(ln.(*net.TCPListener)) })
	return nil
}

// tend opens or closes the listener, as the state of the edge wants it. A
// callee that is down refuses; but a refusal, too, must travel, so a link with
// rules keeps its listener and lets the set-up meet them first. A rule that
// bars is stronger than either. The caller holds mu.
func (e *edge) tend() error {
	if !e.barred() && (e.up || slices.ContainsFunc(e.postings, onConnections)) {
		return e.open()
	}
	if e.listener != nil {
		e.listener.Close()
		e.listener = nil
	}
	return nil
}

func (e *edge) barred() bool {
	return slices.ContainsFunc(e.postings, func(p *posting) bool {
		_, bars := p.harm.(barring)
		return bars
	})
}

// accept admits connections until the listener is closed.
func (e *edge) accept(ln *net.TCPListener) {
	const first, most = 5 * time.Millisecond, time.Second // as net/http waits when descriptors run out
	wait := first
	for {
		c, err := ln.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			select {
			case <-time.After(wait):
			case <-e.ctx.Done():
				return
			}
			wait = min(2*wait, most)
			continue
		}
		wait = first
		e.admit(c)
	}
}

// admit makes a connection known, so that every change of rules from now on
// finds it, and serves it.
func (e *edge) admit(caller *net.TCPConn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.accepted.Add(1)
	e.ordinal++
	c := newConn(e, caller, e.ordinal)
	e.conns[c] = struct{}{}
	c.apply(e.postings, nil)
	if e.ctx.Err() != nil {
		c.reset()
	}
	e.wg.Go(func() { c.serve() })
}

func (e *edge) forget(c *conn) {
	e.mu.Lock()
	delete(e.conns, c)
	e.mu.Unlock()
}

// dial connects to the callee.
func (e *edge) dial(ctx context.Context) (*net.TCPConn, error) {
	e.mu.Lock()
	up := e.up
	e.mu.Unlock()
	if !up {
		return nil, errDown
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", e.Upstream)
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// prepare makes sure that the edge can take a rule.
func (e *edge) prepare() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.barred() {
		return nil
	}
	return e.open()
}

// settleListener undoes a prepare that no rule followed, and tries again what
// set could not open.
func (e *edge) settleListener() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.tend()
}

// set puts exactly these programs to work, on live connections too. The error
// is that of a listener which a rule has barred so far and which cannot be had
// again.
func (e *edge) set(programs []*program, t *tally) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	posted := make(map[*program]*posting, len(e.postings))
	for _, p := range e.postings {
		posted[p.program] = p
	}
	e.postings = nil
	for _, p := range programs {
		at := posted[p]
		delete(posted, p)
		if at == nil {
			at = newPosting(p, e.Link)
		}
		e.postings = append(e.postings, at)
	}
	for _, p := range posted {
		p.end()
		e.past = append(e.past, p)
	}
	e.past = e.past[max(0, len(e.past)-remembered):]
	for c := range e.conns {
		c.apply(e.postings, t)
	}
	return e.tend()
}

// setUp notes whether the callee is known to be down.
func (e *edge) setUp(up bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.up = up
	return e.tend()
}

// close ends the edge and resets its connections.
func (e *edge) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.listener != nil {
		e.listener.Close()
		e.listener = nil
	}
	for c := range e.conns {
		c.reset()
	}
}
