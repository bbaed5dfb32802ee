package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"time"
)

const (
	// smallSize is the most that is carried by a read and a write. That costs
	// less than a splice, which takes pages, not bytes, as long as there is
	// little to copy: up to what most requests and answers have.
	smallSize = 16 << 10
	// pourSize is how much is spliced after a read that filled the buffer, until
	// it is asked again whether small messages come: so much that the asking
	// costs nothing, a few milliseconds of a fast source.
	pourSize = 8 << 20
)

// ferry moves small messages until there is something to do, or until the
// source has more to say.
func (f *flow) ferry() {
	if f.small == nil {
		f.small = make([]byte, smallSize)
	}
	if !f.enter(inFerry) {
		return
	}
	var readErr, writeErr error
	var rest []byte
	for readErr == nil && writeErr == nil && !f.pouring {
		var n, written int
		n, readErr = f.src.Read(f.small)
		if n > 0 {
			written, writeErr = f.dst.Write(f.small[:n])
			f.moved.Add(int64(written))
		}
		rest, f.pouring = f.small[written:n], n == len(f.small)
	}
	f.leave()
	switch {
	case interrupted(writeErr):
		f.account(chunk{data: rest}.size())
		f.out = append(f.out, chunk{data: slices.Clone(rest), at: time.Now()})
	case writeErr != nil:
		f.silence()
	case readErr == nil, interrupted(readErr):
	case errors.Is(readErr, io.EOF):
		f.endSource()
	default:
		f.breakOff()
	}
}

// splice lets the kernel move bytes until there is something to do, or until
// as much has gone by as is spliced at once.
func (f *flow) splice() {
	if !f.enter(inSplice) {
		return
	}
	f.pouring = false
	source := &io.LimitedReader{R: f.src, N: pourSize}
	n, err := f.dst.ReadFrom(source)
	f.leave()
	f.moved.Add(n)
	switch {
	case err == nil && source.N == 0, interrupted(err):
	case err == nil:
		f.endSource()
	case hungUp(f.src):
		f.breakOff()
	default:
		f.silence()
	}
}

// interrupted reports whether a system call ended because it was asked to, or
// because the connection is over.
func interrupted(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed)
}

// endSource sends the source's end through the stages.
func (f *flow) endSource() {
	f.sourced = true
	f.enterChunk(f.ended(chunk{mark: ending, at: time.Now()}))
}
