package relay

import (
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/bedlamlab/bedlam/deploy/relay/message"
	"github.com/bedlamlab/bedlam/topology"
)

// errNoRequests is why an edge cannot be aware.
var errNoRequests = errors.New("its protocol has no requests that the relay can read (http and grpc have)")

// missed makes the connection aware if one of the postings is about requests,
// and reports true if it is too late for that: bytes have gone by that nobody
// has read. The caller holds mu.
func (c *conn) missed(postings []*posting) bool {
	wanted := c.edge.Aware || slices.ContainsFunc(postings, func(p *posting) bool {
		_, ok := p.harm.(choosy)
		return ok
	})
	if wanted && c.settled && !c.aware {
		return true
	}
	c.aware = c.aware || wanted
	return false
}

// attend puts the reader of requests between the connection and its callee, if
// there is to be one, and returns whom the flows shall take for the callee.
//
//	caller ── flows, with the rules about bytes ──▶ near ═ far ── requests ──▶ callee
//
// The flows do not know the difference: near is a connection like the callee's,
// which ends as that one does.
func (c *conn) attend(callee *net.TCPConn) (*net.TCPConn, error) {
	c.mu.Lock()
	c.settled = true
	aware := c.aware
	c.mu.Unlock()
	if !aware {
		return callee, nil
	}
	near, far, err := pair()
	if err != nil {
		callee.SetLinger(0)
		callee.Close()
		return nil, fmt.Errorf("reading the requests of %s: %w", c.edge.Link, err)
	}
	w := message.Wire{Caller: far, Callee: callee, GRPC: c.edge.Protocol == topology.GRPC,
		Fate: c.fate, Dial: c.edge.dialAgain, Go: c.edge.wg.Go}
	c.edge.wg.Go(func() { w.Run(c.edge.ctx) })
	return near, nil
}

// pair returns the two ends of a connection from this process to itself. They
// are TCP, because they must be all that a caller's and a callee's can be:
// spliced, half-closed, reset.
func pair() (near, far *net.TCPConn, err error) {
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, nil, err
	}
	defer ln.Close()
	if near, err = net.DialTCP("tcp", nil, ln.Addr().(*net.TCPAddr)); err != nil {
		return nil, nil, err
	}
	for {
		if far, err = ln.AcceptTCP(); err != nil {
			near.Close()
			return nil, nil, err
		}
		if far.RemoteAddr().String() == near.LocalAddr().String() {
			return near, far, nil
		}
		far.Close() // somebody else on this machine was quicker
	}
}

// fate lets every rule about requests say what happens to one, in the order in
// which the rules came. One that ends the request is the last.
func (c *conn) fate(q message.Request) (f message.Fate) {
	c.mu.Lock()
	meetings := c.meetings
	c.mu.Unlock()
	for _, m := range meetings {
		if m.requests != nil && f.Abort == nil {
			m.requests(q, &f, m)
		}
	}
	return f
}
