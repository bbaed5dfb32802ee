package message

import (
	"net"
	"sync"
)

// roomy is how much may wait to be written before more is read for it, bytes.
// It is a bound, not a buffer: the windows of the parties keep it far below.
const roomy = 256 << 10

// An outbox is what is to be written to one side, in order. To put something in
// never waits, or a party that does not read could keep us from telling the
// other one so.
type outbox struct {
	mu      sync.Mutex
	changed sync.Cond
	pending []byte
	silent  bool // nothing is written before a greeting
	closing bool // what is pending is the last
	dead    bool // nothing can be written any more
}

func newOutbox() *outbox {
	o := &outbox{}
	o.changed.L = &o.mu
	return o
}

// put appends what write appends.
func (o *outbox) put(write func([]byte) []byte) {
	o.mu.Lock()
	o.pending = write(o.pending)
	o.mu.Unlock()
	o.changed.Broadcast()
}

// greet puts in what goes before everything else, and ends the silence.
func (o *outbox) greet(write func([]byte) []byte) {
	o.mu.Lock()
	if o.silent {
		o.silent, o.pending = false, append(write(nil), o.pending...)
	} else {
		o.pending = write(o.pending)
	}
	o.mu.Unlock()
	o.changed.Broadcast()
}

// room waits until there is room for more.
func (o *outbox) room() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.pending) > roomy && !o.dead {
		o.changed.Wait()
	}
}

// finish says that nothing more comes.
func (o *outbox) finish() {
	o.mu.Lock()
	o.closing, o.silent = true, false
	o.mu.Unlock()
	o.changed.Broadcast()
}

// kill drops what is pending.
func (o *outbox) kill() {
	o.mu.Lock()
	o.dead = true
	o.mu.Unlock()
	o.changed.Broadcast()
}

// run writes to c until there is no more to come, and then closes that side.
func (o *outbox) run(c *net.TCPConn) error {
	defer o.kill()
	var out []byte
	for {
		o.mu.Lock()
		for (len(o.pending) == 0 || o.silent) && !o.closing && !o.dead {
			o.changed.Wait()
		}
		if o.dead {
			o.mu.Unlock()
			return nil
		}
		if len(o.pending) == 0 {
			o.mu.Unlock()
			return c.CloseWrite()
		}
		out, o.pending = o.pending, out[:0]
		o.mu.Unlock()
		o.changed.Broadcast()
		if _, err := c.Write(out); err != nil {
			return err
		}
		if cap(out) > 2*roomy {
			out = nil // of one large message; the next are small
		}
	}
}
