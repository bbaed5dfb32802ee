package http1

import (
	"bytes"
	"fmt"
	"io"
)

const (
	firstBuffer = 4 << 10  // holds the whole answer of most pages of a shop
	maxHead     = 64 << 10 // status line and fields together; proxies commonly allow 8 to 64 KiB
)

// A reader is a growing window over a connection.
type reader struct {
	src  io.Reader
	buf  []byte
	r, w int  // buf[r:w] is read but not used
	crlf bool // whether the last line ended in CRLF, not in LF alone
}

func newReader(src io.Reader) *reader {
	return &reader{src: src, buf: make([]byte, firstBuffer)}
}

// buffered is how many bytes have come that nobody asked for yet.
func (b *reader) buffered() int { return b.w - b.r }

// fill reads once; it makes room first, up to maxHead.
func (b *reader) fill() error {
	if b.r == b.w {
		b.r, b.w = 0, 0
	}
	if b.w == len(b.buf) {
		switch {
		case b.r > 0:
			b.w = copy(b.buf, b.buf[b.r:b.w])
			b.r = 0
		case len(b.buf) >= maxHead:
			return fmt.Errorf("%w: a line of more than %d bytes", ErrTooLarge, maxHead)
		default:
			b.buf = append(b.buf, make([]byte, len(b.buf))...)
		}
	}
	for range 100 { // a source that reads nothing and says nothing is broken
		n, err := b.src.Read(b.buf[b.w:])
		b.w += n
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// line returns the next line without its end, which may be CRLF or LF alone,
// and takes its length from budget. It is valid until the next read.
func (b *reader) line(budget *int) ([]byte, error) {
	seen := 0
	for {
		if i := bytes.IndexByte(b.buf[b.r+seen:b.w], '\n'); i >= 0 {
			l := b.buf[b.r : b.r+seen+i]
			b.r += seen + i + 1
			if *budget -= len(l) + 1; *budget < 0 {
				return nil, fmt.Errorf("%w: a head of more than %d bytes", ErrTooLarge, maxHead)
			}
			if b.crlf = len(l) > 0 && l[len(l)-1] == '\r'; b.crlf {
				l = l[:len(l)-1]
			}
			return l, nil
		}
		seen = b.buffered()
		if err := b.fill(); err != nil {
			if err == io.EOF && seen > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// take appends exactly n bytes to dst.
func (b *reader) take(dst []byte, n int) ([]byte, error) {
	k := min(n, b.buffered())
	dst = append(dst, b.buf[b.r:b.r+k]...)
	b.r += k
	for n -= k; n > 0; n -= k {
		if err := b.fill(); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return dst, err
		}
		k = min(n, b.buffered())
		dst = append(dst, b.buf[b.r:b.r+k]...)
		b.r += k
	}
	return dst, nil
}

// rest appends everything up to the end of the source, at most limit bytes.
func (b *reader) rest(dst []byte, limit int) ([]byte, error) {
	for {
		dst = append(dst, b.buf[b.r:b.w]...)
		b.r = b.w
		if len(dst) > limit {
			return dst, fmt.Errorf("%w: a body of more than %d bytes", ErrTooLarge, limit)
		}
		if err := b.fill(); err == io.EOF {
			return dst, nil
		} else if err != nil {
			return dst, err
		}
	}
}
