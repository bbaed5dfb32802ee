package message

import (
	"bytes"
	"context"
	"net/url"
	"strconv"
	"time"

	"golang.org/x/net/http2/hpack"
)

// A stream is one request on a connection of HTTP/2. Its connection's mu guards
// it.
type stream struct {
	conn *streams
	fate Fate
	grpc bool
	id   uint32 // the caller's number
	at   uint32 // the callee's; 0: it has not heard of it

	held  []item // what the caller has said meanwhile
	wake  *time.Timer
	lift  func() bool
	copy  *copied
	asked bool // the caller has said all
}

// An item is a frame, and what a header block says.
type item struct {
	frame
	fields []hpack.HeaderField
}

// meet lets a new request meet its fate.
func (c *streams) meet(id uint32, first item) {
	q, grpc := request(first.fields)
	s := &stream{conn: c, id: id, grpc: grpc || c.GRPC, fate: c.Fate(q)}
	c.known[id] = s
	if s.fate.Copied != nil {
		s.copy = &copied{}
	}
	s.held = []item{first}
	s.asked = first.ends()
	s.pause(s.fate.Delays)
}

// pause holds the request back for each of the delays, then lets it go on.
func (s *stream) pause(delays []Delay) {
	if len(delays) == 0 {
		s.goOn()
		return
	}
	passed := false
	next := func() {
		s.conn.mu.Lock()
		defer s.conn.mu.Unlock()
		if !passed && s.held != nil { // or it was dropped meanwhile
			passed = true
			s.rest()
			s.pause(delays[1:])
		}
	}
	s.wake = time.AfterFunc(delays[0].For, next)
	s.lift = context.AfterFunc(delays[0].Until, next)
}

// request reads what a fate is decided by.
func request(fields []hpack.HeaderField) (q Request, grpc bool) {
	for _, f := range fields {
		switch f.Name {
		case ":method":
			q.Method = f.Value
		case ":path":
			q.Path = f.Value
			if u, err := url.ParseRequestURI(f.Value); err == nil {
				q.Path = u.Path
			}
		case "traceparent":
			q.Trace = traceID(f.Value)
		case "content-type":
			grpc = isGRPC(f.Value)
		}
	}
	return q, grpc
}

// onward takes a frame of the caller's.
func (s *stream) onward(f item) {
	s.asked = s.asked || f.ends()
	if s.at == 0 {
		f.payload = bytes.Clone(f.payload)
		s.held = append(s.held, f)
		return
	}
	s.send(f)
}

// goOn ends the wait: the callee hears what the caller has said so far, or the
// caller that it will not.
func (s *stream) goOn() {
	held := s.held
	s.held = nil
	if a := s.fate.Abort; a != nil {
		for _, f := range held {
			s.conn.refill(s.conn.caller, f.frame)
		}
		s.answer(*a)
		return
	}
	s.at = s.conn.next
	s.conn.next += 2
	s.conn.sent[s.at] = s
	for _, f := range held {
		s.send(f)
	}
}

// send passes a frame of the caller's to the callee.
func (s *stream) send(f item) {
	c := s.conn
	if f.kind == frameHeaders {
		c.callee.headers(s.at, f.fields, f.flags)
	} else {
		c.callee.put(func(b []byte) []byte { return appendFrame(b, f.kind, f.flags, s.at, f.payload) })
	}
	if s.copy != nil && s.copy.add(f) {
		s.conn.repeat(s.copy, s.fate.Copied)
		s.copy = nil
	}
}

// back takes a frame of the callee's.
func (s *stream) back(f item) {
	c := s.conn
	switch {
	case f.kind == frameReset:
		if s.fate.Lose == nil || !s.fate.Lose.Silent {
			c.caller.put(func(b []byte) []byte { return appendFrame(b, f.kind, f.flags, s.id, f.payload) })
		}
		s.forget()
	case f.kind == frameWindow:
		c.caller.put(func(b []byte) []byte { return appendFrame(b, f.kind, f.flags, s.id, f.payload) })
	case s.fate.Lose != nil:
		c.refill(c.callee, f.frame)
		if f.ends() {
			s.lose()
			return
		}
		c.open(c.callee, f.frame, s.at)
	default:
		if f.kind == frameHeaders {
			c.caller.headers(s.id, f.fields, f.flags)
		} else {
			c.caller.put(func(b []byte) []byte { return appendFrame(b, f.kind, f.flags, s.id, f.payload) })
		}
		if f.ends() && s.asked {
			s.forget()
		}
	}
}

// lose ends a request whose answer is complete and goes no further.
func (s *stream) lose() {
	l := s.fate.Lose
	if !s.asked {
		s.conn.callee.reset(s.at, reasonCancel) // nobody will say the rest
	}
	switch {
	case l.Silent:
		s.forget()
	case l.Instead != nil:
		s.answer(*l.Instead)
	default:
		s.conn.caller.reset(s.id, reasonInternal)
		s.forget()
	}
	if l.Lost != nil {
		l.Lost()
	}
}

// answer ends the request towards the caller with an answer of ours: headers
// alone, which for gRPC are the trailers too.
func (s *stream) answer(a Answer) {
	if a.Status.IsZero() {
		a.Status = Unavailable(s.grpc)
	}
	fields := []hpack.HeaderField{{Name: ":status", Value: strconv.Itoa(a.Status.HTTP())}}
	if s.grpc {
		fields = append(fields, hpack.HeaderField{Name: "content-type", Value: "application/grpc"})
	}
	if a.Status.GRPC() {
		fields = append(fields, hpack.HeaderField{Name: "grpc-status", Value: strconv.Itoa(a.Status.Number())},
			hpack.HeaderField{Name: "grpc-message", Value: percentEncoded(a.Text)})
	}
	s.conn.caller.headers(s.id, fields, flagEndStream)
	if !s.asked {
		s.conn.caller.reset(s.id, reasonNone) // the rest of the request is not needed
	}
	s.forget()
}

// cancel takes the caller's RST_STREAM.
func (s *stream) cancel(f frame) {
	if s.at != 0 {
		s.conn.callee.put(func(b []byte) []byte { return appendFrame(b, f.kind, f.flags, s.at, f.payload) })
	}
	s.drop()
	s.forget()
}

// refuse tells the caller that nobody has worked on its request.
func (s *stream) refuse() {
	s.drop()
	s.conn.caller.reset(s.id, reasonRefused)
	s.forget()
}

// drop gives up what is held, which never reaches the callee.
func (s *stream) drop() {
	for _, f := range s.held {
		s.conn.refill(s.conn.caller, f.frame)
	}
	s.held = nil
	s.rest()
}

// rest stops what would end the wait.
func (s *stream) rest() {
	if s.wake != nil {
		s.wake.Stop()
	}
	if s.lift != nil {
		s.lift()
	}
}

func (s *stream) forget() {
	delete(s.conn.known, s.id)
	delete(s.conn.sent, s.at)
}

// percentEncoded writes a status message as gRPC wants it: bytes outside of
// printable ASCII, and the percent sign, as %XX.
func percentEncoded(text string) string {
	const digits = "0123456789ABCDEF"
	out := make([]byte, 0, len(text))
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '%' {
			out = append(out, '%', digits[c>>4], digits[c&15])
		} else {
			out = append(out, c)
		}
	}
	return string(out)
}
