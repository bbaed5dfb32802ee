package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

// limitData closes connections that have carried so many bytes.
type limitData struct {
	links
	Bytes int `json:"bytes"`
}

func init() {
	register(Kind{Name: "limit_data", On: onEdges, Needs: needs[deploy.Shaper](),
		Doc:    "Closes each connection of an edge once it has carried so many bytes, in the middle of whatever that is.",
		Params: fmt.Sprintf("bytes: 4096, from 1 to %d, each direction for itself; direction: to|from|both", mostProbed),
		build:  newLimitData})
}

func newLimitData(r chaos.Resolved) (chaos.Fault, error) {
	f := &limitData{}
	if err := decode(r.Args, f); err != nil {
		return nil, err
	}
	if f.Bytes < 1 || f.Bytes > mostProbed {
		return nil, fmt.Errorf("bytes must be from 1 to %d: what a probe can say or hear on one connection", mostProbed)
	}
	return f, f.shape(r, "limit_data", map[string]int{"bytes": f.Bytes})
}

// Probe wants a connection of its own over every link to be closed when it has
// carried what it may and no more, while as much goes through past the relay;
// after the lift, that it goes through over the link.
func (f *limitData) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second) // as long as drag
	defer cancel()
	n := f.Bytes + 1
	err := f.often(injected, func(link topology.Link) error {
		if !injected {
			_, _, err := f.move(ctx, s, link.From, link, n)
			return err
		}
		p, err := partyOf(s, link.From, link)
		if err != nil {
			return err
		}
		var m meter
		_, _, err = exchangeBy(ctx, m.reach(p.address), p.protocol, p.dsn, f.share(n))
		if err := f.judge(&m, err); err != nil {
			return err
		}
		if _, _, err := f.move(ctx, s, "", link, n); err != nil {
			return fmt.Errorf("past the relay as much does not go through either: that it is the link that closes cannot be told: %w", err)
		}
		return nil
	})
	n = len(f.rule.Links)
	if !injected {
		return fmt.Sprintf("%s more than %d bytes", count(n, "connection carries", "connections carry"), f.Bytes), err
	}
	return fmt.Sprintf("%s closed after %d bytes", count(n, "connection", "connections"), f.Bytes), err
}

// judge says why an exchange that ended with err has not met the limit.
func (f *limitData) judge(m *meter, err error) error {
	said, heard := int(m.said.Load()), int(m.heard.Load())
	switch {
	case err == nil:
		return fmt.Errorf("not closed after %d and %d bytes", said, heard)
	case !m.ended.Load():
		return fmt.Errorf("not closed: %w", err)
	case f.rule.Direction != deploy.To && heard > f.Bytes:
		return fmt.Errorf("closed after %d bytes, not %d", heard, f.Bytes)
	}
	// What is on its way when a connection is closed may be lost, but not most
	// of it.
	asked, answered := said >= f.Bytes, 2*heard >= f.Bytes
	if f.rule.Direction == deploy.To && asked || f.rule.Direction == deploy.From && answered || f.rule.Direction == deploy.Both && (asked || answered) {
		return nil
	}
	return fmt.Errorf("closed after %d and %d bytes, before the limit of %d", said, heard, f.Bytes)
}

// closed reports whether an exchange failed because the peer has closed the
// connection, with or without ceremony.
func closed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || wasReset(err)
}

// A meter counts what goes over the connection that it has made last.
type meter struct {
	said, heard atomic.Int64
	ended       atomic.Bool // by the peer
}

// reach makes connections to address.
func (m *meter) reach(address string) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		conn, err := dial(ctx, address)
		if err != nil {
			return nil, err
		}
		m.said.Store(0)
		m.heard.Store(0)
		m.ended.Store(false)
		return metered{conn, m}, nil
	}
}

// metered is a connection under a meter.
type metered struct {
	*net.TCPConn
	*meter
}

func (c metered) Read(b []byte) (int, error) {
	n, err := c.TCPConn.Read(b)
	c.heard.Add(int64(n))
	if closed(err) {
		c.ended.Store(true)
	}
	return n, err
}

func (c metered) Write(b []byte) (int, error) {
	n, err := c.TCPConn.Write(b)
	c.said.Add(int64(n))
	if closed(err) {
		c.ended.Store(true)
	}
	return n, err
}
