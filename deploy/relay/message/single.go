package message

import (
	"bufio"
	"context"
	"net"
	"sync"
)

// sniffed is a connection whose first bytes have been looked at.
type sniffed struct {
	*net.TCPConn
	r *bufio.Reader
}

func (s sniffed) Read(b []byte) (int, error) { return s.r.Read(b) }

// single is a listener with one connection.
type single struct {
	conn   net.Conn
	taken  bool
	once   sync.Once
	closed chan struct{}
}

// Accept returns the connection and then, when that has ended, an error.
func (l *single) Accept() (net.Conn, error) {
	if !l.taken {
		l.taken = true
		return l.conn, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *single) end()           { l.once.Do(func() { close(l.closed) }) }
func (l *single) Close() error   { l.end(); return nil }
func (l *single) Addr() net.Addr { return l.conn.LocalAddr() }

// once gives a transport the callee's connection, and no other after that.
type once struct {
	conn *net.TCPConn
	gone func(idle bool) // told when the transport has closed it

	mu            sync.Mutex
	taken, closed bool
	working       bool // a request is under way
}

func (o *once) dial(context.Context, string, string) (net.Conn, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.taken {
		return nil, net.ErrClosed
	}
	o.taken = true
	return given{o.conn, o}, nil
}

func (o *once) busy(working bool) {
	o.mu.Lock()
	o.working = working
	o.mu.Unlock()
}

func (o *once) over() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.closed
}

// given is the callee's connection in the hands of the transport.
type given struct {
	*net.TCPConn
	once *once
}

func (g given) Close() error {
	g.once.mu.Lock()
	g.once.closed = true
	idle := !g.once.working
	g.once.mu.Unlock()
	err := g.TCPConn.Close()
	g.once.gone(idle)
	return err
}
