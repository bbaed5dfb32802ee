package loadgen

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"
)

// Schema is what this version writes into a history's header. The file it
// names:
//
//	file    = magic frame(header) { frame(requests) } frame(end)
//	magic   = "bedlam\x00\x01", 8 bytes
//	frame   = length  uint32, of the payload, little endian as all fixed integers
//	          kind    1 byte: H header, R requests, E end
//	          check   uint32, CRC-32C of the five bytes before
//	          payload
//	          check   uint32, CRC-32C of the payload
//	header  = JSON: schema, run, start, seed, rate
//	requests= rows uvarint, texts uvarint, length of each text uvarint…,
//	          the texts one after the other, then the rows
//	row     = journey, step, due, sent-due, done-sent   varint (signed, zigzag), journey
//	                                                    and due less those of the row before
//	          outcome  1 byte
//	          status   varint
//	          trace id 16 bytes
//	          class, reason, gateway, key, cart, sku, order, state, surge
//	                   uvarint each: 0 is the empty text, n the n-th of the frame's texts
//	          quantity, total, bytes varint
//	end     = rows uvarint in the whole file, lost uvarint: rows that could not be written
//
// The length has a check of its own, so that a file that was cut off (a frame
// with a sound head reaches past the end) is told from one that was damaged.
// A file is complete only with its end frame, and only if nothing was lost.
// Rows stand in the order in which the requests were done.
//
// bedlam.history/1, of earlier versions, is read too: its rows name no surge,
// and there was none.
const Schema = "bedlam.history/2"

// schemaOne is the schema before there were surges.
const schemaOne = "bedlam.history/1"

const magic = "bedlam\x00\x01"

// The kinds of frames.
const (
	frameHeader   = 'H'
	frameRequests = 'R'
	frameEnd      = 'E'
)

const (
	headSize  = 9 // length, kind, check
	frameRows = 4096
	// maxFrame bounds what a reader takes into memory for a frame; 4096 rows
	// with the longest texts that occur are about 1.5 MiB.
	maxFrame = 16 << 20
	// minRow is the fewest bytes of a row of the first schema: one for each of
	// its 18 fields but the trace id, which has 16. A frame cannot claim more
	// rows than fit.
	minRow = 18 + 16
)

// The ways in which a history cannot be read.
var (
	ErrSchema  = errors.New("unknown schema")
	ErrDamaged = errors.New("damaged")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendFrame appends a frame around what payload appends.
func appendFrame(dst []byte, kind byte, payload func([]byte) []byte) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, headSize)...)
	dst = payload(dst)
	body := dst[at+headSize:]
	head := dst[at : at+headSize]
	binary.LittleEndian.PutUint32(head, uint32(len(body)))
	head[4] = kind
	binary.LittleEndian.PutUint32(head[5:], crc32.Checksum(head[:5], castagnoli))
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(body, castagnoli))
}

// texts numbers the texts of one frame.
type texts struct {
	number map[string]uint64
	list   []string
}

func (t *texts) of(s string) uint64 {
	if s == "" {
		return 0
	}
	n, ok := t.number[s]
	if !ok {
		t.list = append(t.list, s)
		n = uint64(len(t.list))
		t.number[s] = n
	}
	return n
}

// appendRequests appends the payload of a frame of requests. scratch holds the
// rows while the texts are being collected, and is returned for the next time.
func (t *texts) appendRequests(dst []byte, rows []Request, scratch []byte) (payload, rest []byte) {
	clear(t.number)
	t.list = t.list[:0]
	b := scratch[:0]
	var journey uint64
	var due time.Duration
	for i := range rows {
		r := &rows[i]
		b = binary.AppendVarint(b, int64(r.Journey-journey))
		b = binary.AppendVarint(b, int64(r.Step))
		b = binary.AppendVarint(b, int64(r.Due-due))
		b = binary.AppendVarint(b, int64(r.Sent-r.Due))
		b = binary.AppendVarint(b, int64(r.Done-r.Sent))
		b = append(b, byte(r.Outcome))
		b = binary.AppendVarint(b, int64(r.Status))
		b = append(b, r.TraceID[:]...)
		for _, s := range [...]string{r.Class, r.Reason, r.Gateway, r.Key, r.Cart, r.SKU, r.Order, r.State, r.Surge} {
			b = binary.AppendUvarint(b, t.of(s))
		}
		b = binary.AppendVarint(b, int64(r.Qty))
		b = binary.AppendVarint(b, r.Total)
		b = binary.AppendVarint(b, r.Bytes)
		journey, due = r.Journey, r.Due
	}
	dst = binary.AppendUvarint(dst, uint64(len(rows)))
	dst = binary.AppendUvarint(dst, uint64(len(t.list)))
	for _, s := range t.list {
		dst = binary.AppendUvarint(dst, uint64(len(s)))
	}
	for _, s := range t.list {
		dst = append(dst, s...)
	}
	return append(dst, b...), b
}

// A cursor reads a payload; the first thing that does not fit sets bad.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) uvarint() uint64 {
	if len(c.b) > 0 && c.b[0] < 0x80 { // most are one byte
		v := c.b[0]
		c.b = c.b[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.bad, c.b = true, nil
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *cursor) varint() int64 {
	u := c.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (c *cursor) take(n uint64) []byte {
	if n > uint64(len(c.b)) {
		c.bad, c.b = true, nil
		return nil
	}
	v := c.b[:n]
	c.b = c.b[n:]
	return v
}

// count returns how many rows a frame of requests claims to hold.
func count(payload []byte) (uint64, bool) {
	c := cursor{b: payload}
	n := c.uvarint()
	return n, !c.bad && n <= uint64(len(payload)/minRow)
}

// decodeRequests appends the rows of a frame to dst; ok is false if the
// payload is not one. Rows of the first schema do not name surges.
func decodeRequests(dst []Request, payload []byte, list []string, surges bool) (_ []Request, _ []string, ok bool) {
	n, ok := count(payload)
	if !ok {
		return dst, list, false
	}
	c := cursor{b: payload}
	c.uvarint()
	m := c.uvarint()
	if m > uint64(len(c.b)) {
		return dst, list, false
	}
	lengths := cursor{b: c.b}
	var sum uint64
	for range m {
		l := c.uvarint()
		if sum += l; l > maxFrame || sum > maxFrame {
			return dst, list, false
		}
	}
	all := string(c.take(sum)) // one text for the frame; the others are parts of it
	if c.bad {
		return dst, list, false
	}
	list = append(list[:0], "")
	for range m {
		l := lengths.uvarint()
		list = append(list, all[:l])
		all = all[l:]
	}
	text := func() string {
		i := c.uvarint()
		if i >= uint64(len(list)) {
			c.bad = true
			return ""
		}
		return list[i]
	}
	var journey uint64
	var due time.Duration
	for range n {
		var r Request
		r.Journey = journey + uint64(c.varint())
		r.Step = int(c.varint())
		r.Due = due + time.Duration(c.varint())
		r.Sent = r.Due + time.Duration(c.varint())
		r.Done = r.Sent + time.Duration(c.varint())
		if o := c.take(1); o != nil {
			r.Outcome = Outcome(o[0])
		}
		r.Status = int(c.varint())
		copy(r.TraceID[:], c.take(16))
		r.Class, r.Reason, r.Gateway, r.Key = text(), text(), text(), text()
		r.Cart, r.SKU, r.Order, r.State = text(), text(), text(), text()
		if surges {
			r.Surge = text()
		}
		r.Qty = int(c.varint())
		r.Total = c.varint()
		r.Bytes = c.varint()
		if c.bad || r.Outcome > Failed {
			return dst, list, false
		}
		dst = append(dst, r)
		journey, due = r.Journey, r.Due
	}
	return dst, list, len(c.b) == 0
}
