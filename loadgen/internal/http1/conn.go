package http1

import (
	"net"
	"syscall"
	"time"
)

// A conn is a connection and what has been read ahead on it.
type conn struct {
	net.Conn
	in *reader

	raw   syscall.RawConn // nil if the connection is no socket
	probe func(fd uintptr)
	open  bool // what probe found
	one   [1]byte
}

func newConn(nc net.Conn) *conn {
	c := &conn{Conn: nc, in: newReader(nc)}
	if s, ok := nc.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			c.raw, c.probe = raw, c.look
		}
	}
	return c
}

// send writes the request; wrote is what the kernel took.
func (c *conn) send(deadline time.Time, request []byte) (wrote int, err error) {
	if err := c.SetDeadline(deadline); err != nil {
		return 0, err
	}
	return c.Write(request)
}

// quiet reports whether an unused connection is open and silent. A peer that
// has closed it, or sent something unasked, leaves it readable: that must be
// known before a request is written, because afterwards nobody can tell whether
// the request was taken.
func (c *conn) quiet() bool {
	if c.raw == nil {
		return true
	}
	c.open = false
	// Control, not Read: Read would refuse after the last request's deadline.
	if err := c.raw.Control(c.probe); err != nil {
		return false
	}
	return c.open
}

// look reads without waiting. Any byte is one too many, so none is kept.
func (c *conn) look(fd uintptr) {
	for {
		n, err := syscall.Read(int(fd), c.one[:])
		if err == syscall.EINTR {
			continue
		}
		c.open = n <= 0 && (err == syscall.EAGAIN || err == syscall.EWOULDBLOCK)
		return
	}
}
