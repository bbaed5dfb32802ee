package loadgen

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
)

// A Reader reads a history frame by frame, in the order in which requests were
// done.
type Reader struct {
	in     *bufio.Reader
	name   string
	header Header
	torn   string

	at    int64 // of the next frame
	frame []byte
	list  []string
	rows  uint64
	ended bool
	close io.Closer
}

// Open opens a history and reads its header. A file of another schema is
// refused with [ErrSchema], one that is no history, or whose header is
// damaged, with [ErrDamaged].
func Open(path string) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	r, err := NewReader(f, path)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r.close = f
	return r, nil
}

// NewReader reads a history from in; name stands in its errors.
func NewReader(in io.Reader, name string) (*Reader, error) {
	r := &Reader{in: bufio.NewReaderSize(in, 256<<10), name: name}
	if err := r.begin(); err != nil {
		return nil, fmt.Errorf("read history %s: %w", name, err)
	}
	return r, nil
}

func (r *Reader) begin() error {
	first := make([]byte, len(magic))
	n, err := io.ReadFull(r.in, first)
	if !bytes.Equal(first[:n], []byte(magic[:n])) {
		return fmt.Errorf("%w: it does not begin as a history does", ErrDamaged)
	}
	if err != nil {
		return r.tear(err, "it is cut off before its header")
	}
	r.at = int64(len(magic))
	kind, payload, err := r.next()
	if err != nil || r.torn != "" {
		return err
	}
	var h headerJSON
	if kind != frameHeader || json.Unmarshal(payload, &h) != nil {
		return fmt.Errorf("%w: the first frame is no header", ErrDamaged)
	}
	if h.Schema != Schema && h.Schema != schemaOne {
		return fmt.Errorf("%w %q, this version reads %s and %s", ErrSchema, h.Schema, Schema, schemaOne)
	}
	r.header = Header(h)
	return nil
}

// Header returns the history's header; it is empty if the file is cut off
// inside it.
func (r *Reader) Header() Header { return r.header }

// Torn says what is missing once Next has returned io.EOF: "" if the history
// is complete.
func (r *Reader) Torn() string { return r.torn }

// Close closes the file that Open opened.
func (r *Reader) Close() error {
	if r.close == nil {
		return nil
	}
	return r.close.Close()
}

// Next appends the requests of the next frame to dst. The error is io.EOF at
// the end, also of a history that was cut off (see Torn), and wraps
// [ErrDamaged] where the file is not what was written.
func (r *Reader) Next(dst []Request) ([]Request, error) {
	if r.ended || r.torn != "" {
		return dst, io.EOF
	}
	at := r.at
	kind, payload, err := r.next()
	if err != nil {
		return dst, fmt.Errorf("read history %s: %w", r.name, err)
	}
	if r.torn != "" {
		return dst, io.EOF
	}
	bad := func(what string) error {
		return fmt.Errorf("read history %s: %w: %s, in the frame at byte %d", r.name, ErrDamaged, what, at)
	}
	switch kind {
	case frameRequests:
		n := len(dst)
		var ok bool
		if dst, r.list, ok = decodeRequests(dst, payload, r.list, r.header.Schema != schemaOne); !ok {
			return dst[:n], bad("its rows cannot be decoded")
		}
		r.rows += uint64(len(dst) - n)
		return dst, nil
	case frameEnd:
		c := cursor{b: payload}
		rows, lost := c.uvarint(), c.uvarint()
		switch _, err := r.in.ReadByte(); {
		case c.bad || len(c.b) > 0:
			return dst, bad("its end cannot be decoded")
		case rows != r.rows:
			return dst, bad(fmt.Sprintf("%d requests were written, %d are here", rows, r.rows))
		case err == nil:
			return dst, bad("something follows the end")
		}
		r.ended = true
		if lost > 0 {
			r.torn = fmt.Sprintf("history %s: %d requests could not be written", r.name, lost)
		}
		return dst, io.EOF
	}
	return dst, bad(fmt.Sprintf("unknown kind %q", kind))
}

// next reads a frame; its payload is valid until the next call. A file that
// ends within or before the frame sets torn.
func (r *Reader) next() (kind byte, payload []byte, err error) {
	var head [headSize]byte
	if n, err := io.ReadFull(r.in, head[:]); err != nil {
		if n == 0 {
			return 0, nil, r.tear(err, fmt.Sprintf("it was cut short after %d requests: there is no end", r.rows))
		}
		return 0, nil, r.tear(err, r.cut())
	}
	if head == [headSize]byte{} && r.zeros() {
		// A machine that lost power may leave the tail of a file as zeros.
		return 0, nil, r.tear(io.ErrUnexpectedEOF, r.cut())
	}
	if crc32.Checksum(head[:5], castagnoli) != binary.LittleEndian.Uint32(head[5:]) {
		return 0, nil, fmt.Errorf("%w: wrong checksum of the frame's head at byte %d", ErrDamaged, r.at)
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n > maxFrame {
		return 0, nil, fmt.Errorf("%w: a frame of %d bytes at byte %d", ErrDamaged, n, r.at)
	}
	if r.frame, err = readAll(r.in, r.frame, int(n)+4); err != nil {
		return 0, nil, r.tear(err, r.cut())
	}
	payload, sum := r.frame[:n], r.frame[n:]
	if crc32.Checksum(payload, castagnoli) != binary.LittleEndian.Uint32(sum) {
		return 0, nil, fmt.Errorf("%w: wrong checksum of the frame at byte %d", ErrDamaged, r.at)
	}
	r.at += headSize + int64(n) + 4
	return head[4], payload, nil
}

func (r *Reader) cut() string {
	return fmt.Sprintf("it is cut off in the frame at byte %d, after %d requests", r.at, r.rows)
}

// tear notes what is missing if err says that the file has ended; any other
// error is the disk's.
func (r *Reader) tear(err error, what string) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		r.torn = fmt.Sprintf("history %s: %s", r.name, what)
		return nil
	}
	return err
}

// zeros reports whether nothing but zeros is left.
func (r *Reader) zeros() bool {
	for {
		b, err := r.in.ReadByte()
		if err != nil {
			return err == io.EOF
		}
		if b != 0 {
			return false
		}
	}
}

// readAll reads n bytes into b's memory; it takes memory only for what comes.
func readAll(in io.Reader, b []byte, n int) ([]byte, error) {
	b = b[:0]
	for len(b) < n {
		k := min(n-len(b), 1<<20)
		b = slices.Grow(b, k)
		m, err := io.ReadFull(in, b[len(b):len(b)+k])
		b = b[:len(b)+m]
		if err != nil {
			return b, err
		}
	}
	return b, nil
}

// Read reads a whole history, its requests by due time. torn says what is
// missing, "" if it is complete; the requests of the whole frames before that
// are there. The error wraps [ErrSchema] or [ErrDamaged], or is the disk's.
func Read(path string) (h Header, requests []Request, torn string, err error) {
	r, err := Open(path)
	if err != nil {
		return Header{}, nil, "", err
	}
	defer r.Close()
	if n, err := rows(path); err == nil {
		requests = make([]Request, 0, n)
	}
	for {
		requests, err = r.Next(requests)
		if err == io.EOF {
			sortByDue(requests)
			return r.Header(), requests, r.Torn(), nil
		}
		if err != nil {
			return r.Header(), nil, "", err
		}
	}
}

// rows adds up what the frames claim to hold, so that a million requests are
// given their memory once. It stops where a frame makes no sense.
func rows(path string) (int, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var sum uint64
	var b [headSize + binary.MaxVarintLen64]byte
	for at := int64(len(magic)); ; {
		n, _ := f.ReadAt(b[:], at)
		if n < headSize || crc32.Checksum(b[:5], castagnoli) != binary.LittleEndian.Uint32(b[5:]) {
			return int(sum), nil
		}
		size := binary.LittleEndian.Uint32(b[:])
		if size > maxFrame {
			return int(sum), nil
		}
		if b[4] == frameRequests {
			k, _ := binary.Uvarint(b[headSize:n])
			sum += min(k, uint64(size)/minRow)
		}
		at += headSize + int64(size) + 4
	}
}

// sortByDue sorts by due time, then journey and step. A request is large and
// most stand near their place, so keys are sorted and each row moved once.
func sortByDue(rs []Request) {
	order := make([]int32, len(rs))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		x, y := &rs[a], &rs[b]
		if x.Due != y.Due {
			return cmp.Compare(x.Due, y.Due)
		}
		return cmp.Or(cmp.Compare(x.Journey, y.Journey), cmp.Compare(x.Step, y.Step))
	})
	for i := range order { // follow each cycle of the permutation
		if order[i] < 0 || int(order[i]) == i {
			continue
		}
		first, at := rs[i], i
		for {
			from := int(order[at])
			order[at] = -1
			if from == i {
				rs[at] = first
				break
			}
			rs[at] = rs[from]
			at = from
		}
	}
}
