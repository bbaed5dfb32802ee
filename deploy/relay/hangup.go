//go:build unix

package relay

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// hungUp reports whether both directions of c are closed, as a reset leaves
// them. It does not change the connection. A connection that we have closed
// ourselves has not hung up.
func hungUp(c *net.TCPConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	var up bool
	raw.Control(func(fd uintptr) { up = polled(fd, 0)&(unix.POLLHUP|unix.POLLERR) != 0 })
	return up
}

// A watch waits, without reading a byte, for a peer to close its side.
type watch struct {
	peer *net.TCPConn
	done chan struct{}
}

// watchPeer calls left, once, when the peer has closed its side.
func watchPeer(peer *net.TCPConn, left func()) (*watch, error) {
	raw, err := peer.SyscallConn()
	if err != nil {
		return nil, err
	}
	w := &watch{peer: peer, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		if w.wait(raw) {
			left()
		}
	}()
	return w, nil
}

// wait looks again whenever the runtime's poller sees the socket change: more
// bytes, or the end behind them.
func (w *watch) wait(raw syscall.RawConn) bool {
	err := raw.Read(func(fd uintptr) bool {
		return polled(fd, unix.POLLIN|pollLeft)&(pollLeft|unix.POLLHUP|unix.POLLERR) != 0
	})
	return err == nil
}

// end stops watching.
func (w *watch) end() {
	w.peer.SetReadDeadline(past)
	<-w.done
	w.peer.SetReadDeadline(time.Time{})
}

// polled asks the kernel for the state of fd, without waiting.
func polled(fd uintptr, events int16) int16 {
	fds := []unix.PollFd{{Fd: int32(fd), Events: events}}
	for {
		_, err := unix.Poll(fds, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0
		}
		return fds[0].Revents
	}
}
