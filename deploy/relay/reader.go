package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

const (
	// limit bounds what one direction of one connection holds; the package
	// comment says why it is 4 MiB.
	limit = 4 << 20
	// readSize is the most that one chunk holds. 64 KiB is a segment as the
	// loopback device hands it over, so a bulk reader gains nothing by more.
	readSize = 64 << 10
	// keepSize is the least for which a chunk keeps the buffer it was read
	// into. Below it the bytes are copied out, so that a queue of small
	// messages does not hold a 64 KiB buffer for each.
	keepSize = readSize / 4
)

// past is a deadline that has gone by: it interrupts a read or a write at once.
var past = time.Unix(1, 0)

// A reader fills a flow's inbox from its source while the flow has stages.
type reader struct {
	src  *net.TCPConn
	wake func()
	done chan struct{} // closed when it has ended and the inbox is final

	mu    sync.Mutex
	room  sync.Cond
	inbox []chunk
	held  int64 // bytes in the whole flow
	stop  bool
}

func startReader(src *net.TCPConn, wake func(), held int64) *reader {
	r := &reader{src: src, wake: wake, held: held, done: make(chan struct{})}
	r.room.L = &r.mu
	go r.run()
	return r
}

func (r *reader) run() {
	defer close(r.done)
	// A connection of small messages never takes more than this: a thousand of
	// them begin to read when a rule comes.
	buf := make([]byte, keepSize)
	for r.mayRead() {
		n, err := r.src.Read(buf)
		now := time.Now()
		if n > 0 {
			c := chunk{data: buf[:n:n], at: now}
			if n < keepSize {
				c.data = append([]byte(nil), buf[:n]...)
			} else {
				buf = make([]byte, readSize)
			}
			r.push(c)
		}
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			// Asked to stop, or a deadline meant for the splice before:
			// mayRead knows.
			r.src.SetReadDeadline(time.Time{})
		case errors.Is(err, io.EOF):
			r.push(chunk{mark: ending, at: now})
			return
		case errors.Is(err, net.ErrClosed):
			return // the connection is over
		default:
			r.push(chunk{mark: broken, at: now})
			return
		}
	}
}

// mayRead waits for room and reports false when the reader is to stop.
func (r *reader) mayRead() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.held >= limit && !r.stop {
		r.room.Wait()
	}
	return !r.stop
}

func (r *reader) push(c chunk) {
	r.mu.Lock()
	r.inbox = append(r.inbox, c)
	r.held += c.size()
	r.mu.Unlock()
	r.wake()
}

// add tells the reader that the flow holds so many bytes more, or less.
func (r *reader) add(delta int64) {
	r.mu.Lock()
	r.held += delta
	r.mu.Unlock()
	r.room.Signal()
}

// take empties the inbox.
func (r *reader) take() []chunk {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.inbox
	r.inbox = nil
	return all
}

// end stops the reader and waits until it has. What it has read is still in
// the inbox.
func (r *reader) end() {
	r.mu.Lock()
	r.stop = true
	r.mu.Unlock()
	r.room.Signal()
	// After stop is set: the reader clears a deadline only before it looks.
	r.src.SetReadDeadline(past)
	<-r.done
}
