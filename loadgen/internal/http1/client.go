package http1

import (
	"context"
	"net"
	"time"
)

// A Client asks peers that answer alike. It keeps connections alive, the last
// used first, and is safe for concurrent use.
type Client struct {
	dial    func(ctx context.Context, address string) (net.Conn, error)
	pools   []*pool
	maxBody int
}

// Options are a Client's settings; the zero value of each has a meaning.
type Options struct {
	// Dial makes a connection. Nil: TCP, without probes of its own, since each
	// request has a deadline.
	Dial    func(ctx context.Context, address string) (net.Conn, error)
	MaxIdle int // connections kept per peer while nobody uses them; 0: 256
	MaxBody int // longest body that is read, in bytes; 0: 1 MiB
}

// New returns a client of those peers; there must be one at least.
func New(peers []Peer, o Options) *Client {
	if o.Dial == nil {
		d := &net.Dialer{KeepAlive: -1}
		o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			return d.DialContext(ctx, "tcp", address)
		}
	}
	if o.MaxIdle == 0 {
		o.MaxIdle = 256
	}
	if o.MaxBody == 0 {
		o.MaxBody = 1 << 20
	}
	c := &Client{dial: o.Dial, maxBody: o.MaxBody}
	for _, p := range peers {
		c.pools = append(c.pools, &pool{peer: p, max: o.MaxIdle})
	}
	return c
}

// Peer returns the peer of that number.
func (c *Client) Peer(i int) Peer { return c.pools[i].peer }

// Do sends request, a whole HTTP/1.1 request other than HEAD or CONNECT, to
// the peer numbered first, counted round, and reads the answer into a. A peer
// to which nothing could be sent is passed over for the next; each is tried
// once. A request of which a byte may have left is never sent again. The error
// is an [*Error]; a.Peer and a.Misses hold in any case.
func (c *Client) Do(deadline time.Time, first int, request []byte, a *Answer) error {
	a.Misses = a.Misses[:0]
	a.Status, a.Degraded, a.RetryAfter, a.Body = 0, "", false, a.Body[:0]
	var last error
	n := len(c.pools)
	for k := range n {
		a.Peer = (first + k) % n
		p := c.pools[a.Peer]
		from := time.Now()
		// What time is left is shared between the peers not yet tried and the
		// answer, so that a silent first peer does not use up all of it.
		left := deadline.Sub(from) / time.Duration(n-k+1)
		for {
			cn, fresh, err := c.connect(p, from, left)
			if err == nil {
				var wrote int
				if wrote, err = cn.send(deadline, request); wrote > 0 || err == nil {
					return c.receive(p, cn, a, err)
				}
				// The kernel took no byte: the peer had closed meanwhile.
				cn.Close()
				if !fresh && !timedOut(err) {
					continue
				}
				a.Misses = append(a.Misses, Miss{Peer: a.Peer, From: from, To: time.Now(), Reason: "write_failed"})
			} else {
				a.Misses = append(a.Misses, Miss{Peer: a.Peer, From: from, To: time.Now(), Reason: dialReason(err)})
			}
			last = err
			break
		}
	}
	return &Error{Sent: false, Reason: a.Misses[len(a.Misses)-1].Reason, Err: last}
}

func (c *Client) connect(p *pool, from time.Time, limit time.Duration) (cn *conn, fresh bool, err error) {
	if cn := p.get(); cn != nil {
		return cn, false, nil
	}
	ctx, cancel := context.WithDeadline(context.Background(), from.Add(limit))
	defer cancel()
	nc, err := c.dial(ctx, p.peer.Address)
	if err != nil {
		return nil, true, err
	}
	return newConn(nc), true, nil
}

func (c *Client) receive(p *pool, cn *conn, a *Answer, err error) error {
	if err == nil {
		err = a.read(cn.in, c.maxBody)
	}
	if err != nil {
		cn.Close()
		a.Status = 0
		return &Error{Sent: true, Reason: sentReason(err), Err: err}
	}
	if a.close || cn.in.buffered() > 0 { // what comes unasked cannot be told from the next answer
		cn.Close()
	} else {
		p.put(cn)
	}
	return nil
}

// Close closes the connections that nobody uses; those in use are closed when
// they come back.
func (c *Client) Close() {
	for _, p := range c.pools {
		p.close()
	}
}
