package http1

import (
	"bytes"
	"fmt"
	"io"
)

// maxInterim bounds the 1xx answers before the real one; servers send one or two.
const maxInterim = 8

// maxTrailer bounds chunk lines and trailers together with the extensions that
// nobody reads, beyond the body itself.
const maxTrailer = maxHead

// A head is what the fields said about the message's own form.
type head struct {
	status  int
	minor   int   // of HTTP/1.x
	length  int64 // Content-Length, -1 without
	chunked bool
	close   bool // Connection: close
	keep    bool // Connection: keep-alive
}

// read reads one whole response to a request other than HEAD into a. The error
// is io.EOF if the peer said nothing at all.
func (a *Answer) read(b *reader, maxBody int) error {
	a.Body = a.Body[:0]
	var h head
	for n := 0; ; n++ {
		if n > maxInterim {
			return fmt.Errorf("%w: more than %d interim answers", ErrMalformed, maxInterim)
		}
		a.Status, a.Degraded, a.RetryAfter = 0, "", false
		if err := a.readHead(b, &h); err != nil {
			if n > 0 && err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		if h.status == 101 { // nobody asked for another protocol
			return fmt.Errorf("%w: switched protocols unasked", ErrMalformed)
		}
		if h.status >= 200 {
			break
		}
	}
	a.Status = h.status
	a.close = h.close || h.minor == 0 && !h.keep
	var err error
	switch {
	case h.status == 204 || h.status == 304:
		return nil // never a body, whatever the fields say
	case h.chunked:
		a.close = a.close || h.length >= 0 // RFC 9112 6.3: both at once smells of smuggling
		err = a.readChunks(b, maxBody)
	case h.length > int64(maxBody):
		err = fmt.Errorf("%w: a body of %d bytes, at most %d are read", ErrTooLarge, h.length, maxBody)
	case h.length >= 0:
		a.Body, err = b.take(a.Body, int(h.length))
	default: // the body ends with the connection
		a.close = true
		a.Body, err = b.rest(a.Body, maxBody)
	}
	return err
}

func (a *Answer) readHead(b *reader, h *head) error {
	*h = head{length: -1}
	budget := maxHead
	l, err := b.line(&budget)
	if err != nil {
		return err
	}
	if err := h.statusLine(l); err != nil {
		return err
	}
	for {
		l, err := b.line(&budget)
		if err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		if len(l) == 0 {
			return nil
		}
		if err := a.field(h, l); err != nil {
			return err
		}
	}
}

// statusLine takes "HTTP/1.1 200 OK"; the reason and its space may be missing.
func (h *head) statusLine(l []byte) error {
	if len(l) < 12 || string(l[:7]) != "HTTP/1." || l[7] != '0' && l[7] != '1' || l[8] != ' ' || len(l) > 12 && l[12] != ' ' {
		return fmt.Errorf("%w: status line %q", ErrMalformed, clip(l))
	}
	h.minor = int(l[7] - '0')
	for _, c := range l[9:12] {
		if c < '0' || c > '9' {
			return fmt.Errorf("%w: status line %q", ErrMalformed, clip(l))
		}
		h.status = h.status*10 + int(c-'0')
	}
	if h.status < 100 {
		return fmt.Errorf("%w: status %03d", ErrMalformed, h.status)
	}
	return nil
}

func (a *Answer) field(h *head, l []byte) error {
	i := bytes.IndexByte(l, ':')
	if i <= 0 || !token(l[:i]) {
		// A folded line (it begins with a blank) ends here too: RFC 9112 lets a
		// client refuse it, and nobody sends it.
		return fmt.Errorf("%w: field line %q", ErrMalformed, clip(l))
	}
	name, value := l[:i], bytes.Trim(l[i+1:], " \t")
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return fmt.Errorf("%w: control character in field %q", ErrMalformed, clip(l))
		}
	}
	switch {
	case is(name, "content-length"):
		n, ok := decimal(value)
		if !ok || h.length >= 0 && h.length != n {
			return fmt.Errorf("%w: %q", ErrMalformed, clip(l))
		}
		h.length = n
	case is(name, "transfer-encoding"):
		// Only chunked, once; in HTTP/1.0 the field has no meaning.
		if h.chunked || h.minor == 0 || !is(value, "chunked") {
			return fmt.Errorf("%w: %q", ErrMalformed, clip(l))
		}
		h.chunked = true
	case is(name, "connection"):
		for v := range bytes.SplitSeq(value, []byte{','}) {
			switch v = bytes.Trim(v, " \t"); {
			case is(v, "close"):
				h.close = true
			case is(v, "keep-alive"):
				h.keep = true
			}
		}
	case is(name, "x-degraded"):
		a.Degraded = string(value)
	case is(name, "retry-after"):
		a.RetryAfter = true
	}
	return nil
}

func (a *Answer) readChunks(b *reader, maxBody int) error {
	budget := maxTrailer
	for {
		n, err := chunkSize(b, &budget)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		if int64(len(a.Body))+n > int64(maxBody) {
			return fmt.Errorf("%w: a body of more than %d bytes", ErrTooLarge, maxBody)
		}
		if a.Body, err = b.take(a.Body, int(n)); err != nil {
			return err
		}
		budget += 64 // each chunk may bring a line of its own, so that only waste is bounded
		if l, err := b.line(&budget); err != nil {
			return unexpected(err)
		} else if len(l) != 0 || !b.crlf {
			return fmt.Errorf("%w: a chunk is longer than its size says", ErrMalformed)
		}
	}
	for { // trailers, unread
		l, err := b.line(&budget)
		if err != nil {
			return unexpected(err)
		}
		if len(l) == 0 {
			return nil
		}
		if i := bytes.IndexByte(l, ':'); i <= 0 || !token(l[:i]) {
			return fmt.Errorf("%w: trailer %q", ErrMalformed, clip(l))
		}
	}
}

func chunkSize(b *reader, budget *int) (int64, error) {
	l, err := b.line(budget)
	if err != nil {
		return 0, unexpected(err)
	}
	if !b.crlf { // tolerated in a head, but here it is how requests are smuggled
		return 0, fmt.Errorf("%w: chunk size %q ends in LF alone", ErrMalformed, clip(l))
	}
	size, _, _ := bytes.Cut(l, []byte{';'})
	size = bytes.TrimRight(size, " \t")
	if len(size) == 0 || len(size) > 8 { // eight digits are 4 GiB, far above any limit
		return 0, fmt.Errorf("%w: chunk size %q", ErrMalformed, clip(l))
	}
	var n int64
	for _, c := range size {
		d, ok := hex(c)
		if !ok {
			return 0, fmt.Errorf("%w: chunk size %q", ErrMalformed, clip(l))
		}
		n = n<<4 | d
	}
	return n, nil
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
