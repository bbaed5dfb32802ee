package relay

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
)

// A conn is one connection through an edge: the caller's, the callee's, and a
// flow each way.
type conn struct {
	edge     *edge
	ordinal  uint64
	caller   *net.TCPConn
	to, from *flow
	ctx      context.Context // done when it is over
	cancel   context.CancelFunc

	mu       sync.Mutex
	callee   *net.TCPConn // nil until the set-up is through
	meetings []*meeting
	closed   bool
	aware    bool // its requests are read
	settled  bool // and that will not change any more
	silent   int  // flows whose destination is gone
	finishes int  // flows that have delivered the end

	watch *watch      // of the caller, while the set-up is held back
	left  atomic.Bool // the caller has closed its side during the set-up
}

func newConn(e *edge, caller *net.TCPConn, ordinal uint64) *conn {
	c := &conn{edge: e, ordinal: ordinal, caller: caller}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.to = newFlow(c, &e.movedTo)
	c.from = newFlow(c, &e.movedFrom)
	c.to.other, c.from.other = c.from, c.to
	return c
}

// apply makes the connection meet exactly these postings. Those it has met
// before go on as they were: their draws are not repeated. t, which may be nil,
// counts when the flows have changed over.
func (c *conn) apply(postings []*posting, t *tally) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	if c.missed(postings) {
		c.mu.Unlock()
		c.edge.switched.Add(1)
		c.reset()
		return
	}
	met := make(map[*posting]*meeting, len(c.meetings))
	for _, m := range c.meetings {
		met[m.posting] = m
	}
	var reset bool
	var to, from []*stage
	c.meetings = nil
	for _, p := range postings {
		m := met[p]
		if m == nil {
			m = p.meet(c.ordinal)
			reset = reset || m.reset
			if m.fuse != nil {
				m.fuse.begin(c.close)
			}
		}
		delete(met, p)
		c.meetings = append(c.meetings, m)
		if m.to != nil {
			to = append(to, m.to)
		}
		if m.from != nil {
			from = append(from, m.from)
		}
	}
	for _, m := range met { // those that have gone
		reset = reset || m.breaks && m.seen.Load()
		if m.fuse != nil {
			m.fuse.cut()
		}
	}
	if !reset {
		c.to.order(to, t)
		c.from.order(from, t)
	}
	c.mu.Unlock()
	if reset {
		c.reset()
	}
}

// serve sets the connection up and runs it to its end.
func (c *conn) serve() {
	defer c.end()
	// SYN and SYN-ACK: the callee hears of the caller only when both have
	// passed, as a callee's accept returns only then.
	through := c.to.carry(opening) && c.from.carry(opening)
	if c.watch != nil {
		c.watch.end()
	}
	if !through || !c.dial() {
		c.reset()
		return
	}
	var flows sync.WaitGroup
	flows.Go(c.from.run)
	c.to.run()
	flows.Wait()
}

// dial connects to the callee. There is no limit of our own: the kernel gives a
// silent peer up after about two minutes, and the caller sooner.
func (c *conn) dial() bool {
	callee, err := c.edge.dial(c.ctx)
	if err != nil {
		if !c.over() {
			c.edge.dialFailures.Add(1)
		}
		return false
	}
	if callee, err = c.attend(callee); err != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		callee.SetLinger(0)
		callee.Close()
		return false
	}
	c.callee = callee
	c.to.src, c.to.dst = c.caller, callee
	c.from.src, c.from.dst = callee, c.caller
	return true
}

// abandoned reports whether the caller of a set-up that is held back has given
// up. A delayed SYN is under way and arrives whatever its sender does; one that
// is withheld without end lives only as long as its sender repeats it. A caller
// that has reset the connection is gone in any case.
func (c *conn) abandoned(withheld bool) bool {
	if c.watch == nil {
		w, err := watchPeer(c.caller, func() {
			c.left.Store(true)
			c.to.rouse()
			c.from.rouse()
		})
		if err != nil {
			return true // closed under our hands
		}
		c.watch = w
	}
	return c.left.Load() && (withheld || hungUp(c.caller))
}

// over reports whether the connection is over.
func (c *conn) over() bool { return c.ctx.Err() != nil }

// finish is called by each flow that has delivered the end; after the second
// one the connection is closed.
func (c *conn) finish() {
	c.mu.Lock()
	c.finishes++
	all := c.finishes == 2
	c.mu.Unlock()
	if all {
		c.close(false)
	}
}

// silenced is called by each flow whose destination is gone; with both gone
// there is nobody left to tell.
func (c *conn) silenced() {
	c.mu.Lock()
	c.silent++
	all := c.silent == 2
	c.mu.Unlock()
	if all {
		c.close(true)
	}
}

// reset ends the connection with a RST to both sides.
func (c *conn) reset() { c.close(true) }

func (c *conn) close(reset bool) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed = true
	c.cancel() // first: a flow that meets a closed socket must know why
	callee := c.callee
	for _, m := range c.meetings {
		if m.fuse != nil {
			m.fuse.cut()
		}
	}
	c.mu.Unlock()
	for _, side := range []*net.TCPConn{c.caller, callee} {
		if side == nil {
			continue
		}
		if reset {
			side.SetLinger(0)
		}
		side.Close()
	}
}

// end forgets the connection.
func (c *conn) end() {
	c.close(true)
	c.edge.forget(c)
}

// show makes both flows count what they have moved.
func (c *conn) show(t *tally) {
	c.to.show(t)
	c.from.show(t)
}
