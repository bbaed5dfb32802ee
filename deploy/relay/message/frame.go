package message

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The frames and flags of RFC 9113, section 6, that mean something to us.
const (
	frameData         = 0x0
	frameHeaders      = 0x1
	framePriority     = 0x2
	frameReset        = 0x3
	frameSettings     = 0x4
	framePush         = 0x5
	frameGoAway       = 0x7
	frameWindow       = 0x8
	frameContinuation = 0x9
	framePriorities   = 0x10 // RFC 9218

	flagEndStream  = 0x1
	flagAck        = 0x1 // of SETTINGS
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

// The reasons of a RST_STREAM, RFC 9113, section 7.
const (
	reasonNone     = 0x0
	reasonInternal = 0x2
	reasonRefused  = 0x7
	reasonCancel   = 0x8
)

const (
	preface  = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	headSize = 9 // bytes, of every frame
	// pieceSize is the largest payload that every peer takes, bytes: what we
	// write ourselves is cut into such pieces.
	pieceSize = 16 << 10
	// mostBlock bounds a header block, bytes: sixteen times what servers take.
	mostBlock = 1 << 20
	// settingTable is the setting SETTINGS_HEADER_TABLE_SIZE.
	settingTable = 0x1
	// firstTable is the size of HPACK's table before anybody has set it.
	firstTable = 4096
)

// A frame is one frame of HTTP/2. That of a header block is whole: what followed
// in CONTINUATION is part of it, padding and priority are not.
type frame struct {
	kind, flags byte
	stream      uint32
	payload     []byte
}

func (f frame) ends() bool {
	return (f.kind == frameData || f.kind == frameHeaders) && f.flags&flagEndStream != 0
}

// appendFrame writes a frame behind b.
func appendFrame(b []byte, kind, flags byte, stream uint32, payload []byte) []byte {
	n := len(payload)
	b = append(b, byte(n>>16), byte(n>>8), byte(n), kind, flags)
	b = binary.BigEndian.AppendUint32(b, stream)
	return append(b, payload...)
}

// A frameReader reads frames. The payload of one is good until the next.
type frameReader struct {
	r   *bufio.Reader
	buf []byte
}

// next reads a frame; at the end between two frames io.EOF.
func (r *frameReader) next() (frame, error) {
	f, err := r.one(r.buf[:0])
	if err != nil || f.kind != frameHeaders {
		return f, err
	}
	if f.payload, err = stripped(f); err != nil {
		return f, err
	}
	for f.flags&flagEndHeaders == 0 {
		more, err := r.one(f.payload)
		if err != nil {
			return f, unexpected(err)
		}
		if more.kind != frameContinuation || more.stream != f.stream || len(more.payload) > mostBlock {
			return f, errors.New("a header block that does not end as it should")
		}
		f.payload, f.flags = more.payload, f.flags|more.flags&flagEndHeaders
	}
	f.flags &= flagEndStream
	return f, nil
}

// one reads a single frame, its payload behind before.
func (r *frameReader) one(before []byte) (frame, error) {
	var head [headSize]byte
	if _, err := io.ReadFull(r.r, head[:]); err != nil {
		return frame{}, err
	}
	n := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
	f := frame{kind: head[3], flags: head[4], stream: binary.BigEndian.Uint32(head[5:]) &^ (1 << 31)}
	f.payload = before
	// Piece by piece: a length alone must not make us take memory for it.
	for n > 0 {
		piece, at := min(n, 4*pieceSize), len(f.payload)
		f.payload = append(f.payload, make([]byte, piece)...)
		if _, err := io.ReadFull(r.r, f.payload[at:]); err != nil {
			return f, unexpected(err)
		}
		n -= piece
	}
	if len(before) == 0 {
		r.buf = f.payload
	}
	return f, nil
}

// unexpected turns an end within a frame into what it is.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// stripped is the payload of HEADERS without padding and priority.
func stripped(f frame) ([]byte, error) {
	b, padding := f.payload, 0
	if f.flags&flagPadded != 0 {
		if len(b) == 0 {
			return nil, errors.New("HEADERS without the length of its padding")
		}
		padding, b = int(b[0]), b[1:]
	}
	if f.flags&flagPriority != 0 {
		const size = 5
		if len(b) < size {
			return nil, errors.New("HEADERS without its priority")
		}
		b = b[size:]
	}
	if padding > len(b) {
		return nil, fmt.Errorf("HEADERS with %d bytes of padding in %d", padding, len(b))
	}
	return b[:len(b)-padding], nil
}

// tableSize returns the size of HPACK's table that a SETTINGS frame asks for.
func tableSize(payload []byte) (size uint32, ok bool) {
	const entry = 6
	for ; len(payload) >= entry; payload = payload[entry:] {
		if binary.BigEndian.Uint16(payload) == settingTable {
			size, ok = binary.BigEndian.Uint32(payload[2:]), true
		}
	}
	return size, ok
}
