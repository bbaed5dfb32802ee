package message

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/net/http2/hpack"
)

// streams is one connection of HTTP/2 through us.
type streams struct {
	Wire
	ctx context.Context

	mu             sync.Mutex
	caller, callee *party
	known          map[uint32]*stream // by the caller's number
	sent           map[uint32]*stream // by the callee's
	highest        uint32             // of the caller's numbers so far
	next           uint32             // number towards the callee
}

// A party is one side of the connection, and HPACK's state with it.
type party struct {
	*outbox
	from  *hpack.Decoder
	to    *hpack.Encoder
	block bytes.Buffer // what to has written
}

func newParty() *party {
	p := &party{outbox: newOutbox(), from: hpack.NewDecoder(firstTable, nil)}
	p.from.SetMaxStringLength(mostBlock)
	p.to = hpack.NewEncoder(&p.block)
	return p
}

// runStreams passes frames until both sides are through.
func runStreams(ctx context.Context, w Wire, said *bufio.Reader) {
	c := &streams{Wire: w, ctx: ctx, caller: newParty(), callee: newParty(),
		known: map[uint32]*stream{}, sent: map[uint32]*stream{}, next: 1}
	// A callee speaks first of its settings. An answer of our own, which may be
	// faster than that, must not come before them: the caller would hang up.
	c.caller.silent = true
	var all sync.WaitGroup
	part := func(work func() error) {
		all.Go(func() {
			if work() != nil {
				hangUp(w.Caller, w.Callee) // which ends the other parts too
				c.caller.kill()
				c.callee.kill()
			}
		})
	}
	part(func() error { return c.caller.run(w.Caller) })
	part(func() error { return c.callee.run(w.Callee) })
	part(func() error { return c.listen(said, true) })
	part(func() error { return c.listen(bufio.NewReaderSize(w.Callee, readSize), false) })
	all.Wait()
	c.mu.Lock()
	for _, s := range c.known {
		s.drop()
	}
	c.mu.Unlock()
	w.Caller.Close()
	w.Callee.Close()
}

// listen takes what one side says until it is through.
func (c *streams) listen(r *bufio.Reader, caller bool) error {
	to, take := c.caller, c.answers
	if caller {
		to, take = c.callee, c.asks
		hello := make([]byte, len(preface))
		n, err := io.ReadFull(r, hello)
		if err == nil && string(hello) != preface {
			return errors.New("the caller does not speak HTTP/2")
		}
		to.put(func(b []byte) []byte { return append(b, hello[:n]...) })
		if err != nil {
			return c.ended(to, err)
		}
	}
	frames := &frameReader{r: r}
	for {
		f, err := frames.next()
		if err != nil {
			return c.ended(to, err)
		}
		c.mu.Lock()
		err = take(f)
		c.mu.Unlock()
		if err != nil {
			return err
		}
		to.room()
	}
}

// ended passes the end of one side on to the other; anything else is an error.
func (c *streams) ended(to *party, err error) error {
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	to.finish()
	return nil
}

// asks takes a frame of the caller's.
func (c *streams) asks(f frame) error {
	s := c.known[f.stream]
	switch f.kind {
	case frameHeaders:
		fields, err := c.caller.from.DecodeFull(f.payload)
		if err != nil {
			return err
		}
		if s == nil && f.stream > c.highest {
			c.highest = f.stream
			c.meet(f.stream, item{frame: f, fields: fields})
		} else if s != nil {
			s.onward(item{frame: f, fields: fields})
		}
		return nil
	case frameSettings:
		c.settings(f, c.caller, c.callee)
	case framePush:
		return errors.New("a caller that pushes")
	case framePriority, framePriorities:
		return nil
	}
	switch {
	case f.stream == 0:
		c.callee.put(func(b []byte) []byte { return appendFrame(b, f.kind, f.flags, 0, f.payload) })
	case s == nil:
		// Of a request that goes no further, or went and is through.
		c.refill(c.caller, f)
	case f.kind == frameReset:
		s.cancel(f)
	default:
		s.onward(item{frame: f})
	}
	return nil
}

// answers takes a frame of the callee's.
func (c *streams) answers(f frame) error {
	s := c.sent[f.stream]
	var fields []hpack.HeaderField
	switch f.kind {
	case frameHeaders:
		var err error
		if fields, err = c.callee.from.DecodeFull(f.payload); err != nil {
			return err
		}
	case frameSettings:
		c.settings(f, c.callee, c.caller)
		c.caller.greet(func(b []byte) []byte { return appendFrame(b, f.kind, f.flags, 0, f.payload) })
		return nil
	case framePush:
		return errors.New("server push is not spoken")
	case framePriority, framePriorities:
		return nil
	case frameGoAway:
		return c.goAway(f)
	}
	switch {
	case f.stream == 0:
		c.caller.put(func(b []byte) []byte { return appendFrame(b, f.kind, f.flags, 0, f.payload) })
	case s == nil:
		c.refill(c.callee, f) // of a request that the caller has called off
	default:
		s.back(item{frame: f, fields: fields})
	}
	return nil
}

// settings notes what from's settings change about header blocks between us and
// it. Its peer will be told, and may use the larger table from then on.
func (c *streams) settings(f frame, from, peer *party) {
	if f.flags&flagAck != 0 {
		return
	}
	if size, ok := tableSize(f.payload); ok {
		peer.from.SetAllowedMaxDynamicTableSize(size)
		from.to.SetMaxDynamicTableSizeLimit(size)
	}
}

// goAway passes on which requests the callee will not answer any more, in the
// caller's numbers. Those that the caller could not tell from it are refused
// one by one: they have not been worked on, and may be sent elsewhere.
func (c *streams) goAway(f frame) error {
	const all = 1<<31 - 1 // a shutdown announced: no request is refused yet
	if len(f.payload) < 8 {
		return fmt.Errorf("a GOAWAY of %d bytes", len(f.payload))
	}
	last := binary.BigEndian.Uint32(f.payload) &^ (1 << 31)
	if last != all {
		told := uint32(0)
		for id, s := range c.sent {
			if id <= last {
				told = max(told, s.id)
			}
		}
		for _, s := range c.known {
			if s.at == 0 || s.at > last {
				s.refuse()
			}
		}
		binary.BigEndian.PutUint32(f.payload, told)
	}
	c.caller.put(func(b []byte) []byte { return appendFrame(b, frameGoAway, 0, 0, f.payload) })
	return nil
}

// refill opens the connection's window of a sender whose DATA goes no further.
func (c *streams) refill(of *party, f frame) { c.open(of, f, 0) }

// open opens a window of the sender's by what f has used up.
func (c *streams) open(of *party, f frame, stream uint32) {
	if f.kind != frameData || len(f.payload) == 0 {
		return
	}
	of.put(func(b []byte) []byte {
		return appendFrame(b, frameWindow, 0, stream, binary.BigEndian.AppendUint32(nil, uint32(len(f.payload))))
	})
}

// reset ends a stream towards one side.
func (p *party) reset(stream, reason uint32) {
	p.put(func(b []byte) []byte {
		return appendFrame(b, frameReset, 0, stream, binary.BigEndian.AppendUint32(nil, reason))
	})
}

// headers writes a header block to one side.
func (p *party) headers(stream uint32, fields []hpack.HeaderField, flags byte) {
	p.block.Reset()
	for _, f := range fields {
		p.to.WriteField(f) // into memory: it cannot fail
	}
	p.put(func(b []byte) []byte {
		kind := byte(frameHeaders)
		for rest := p.block.Bytes(); ; {
			piece := rest[:min(len(rest), pieceSize)]
			rest = rest[len(piece):]
			if len(rest) == 0 {
				return appendFrame(b, kind, flags|flagEndHeaders, stream, piece)
			}
			b = appendFrame(b, kind, flags, stream, piece)
			kind, flags = frameContinuation, 0
		}
	})
}
