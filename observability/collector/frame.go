package collector

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/zstd"
)

// The signals, as the files' first lines name them.
const (
	spansSignal   = "spans"
	metricsSignal = "metrics"
	logsSignal    = "logs"
)

// signals are in the order of what matters.
var signals = []string{spansSignal, metricsSignal, logsSignal}

const (
	schema = "bedlam.otlp/1"
	// maxFrame is the most that a frame holds, unpacked: what the receiver
	// keeps waiting for a slow disk, and what a reader must have room for.
	maxFrame = 16 << 20
	// headerLen is six numbers of four bytes.
	headerLen = 24
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrCorrupt is in the chain of every error about a file that is not what was
// written: a wrong checksum, a gap, a schema this version does not know.
var ErrCorrupt = errors.New("corrupt recording")

func firstLine(signal string) []byte { return []byte(schema + " " + signal + "\n") }

// appendFrame appends a frame whose packed payload follows it at dst's end.
func appendFrame(dst []byte, sequence, items uint32, raw []byte, pack *zstd.Encoder) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, headerLen)...)
	dst = pack.EncodeAll(raw, dst)
	h, payload := dst[at:at+headerLen], dst[at+headerLen:]
	binary.LittleEndian.PutUint32(h[0:], sequence)
	binary.LittleEndian.PutUint32(h[4:], items)
	binary.LittleEndian.PutUint32(h[8:], uint32(len(raw)))
	binary.LittleEndian.PutUint32(h[12:], uint32(len(payload)))
	binary.LittleEndian.PutUint32(h[16:], crc32.Checksum(payload, castagnoli))
	binary.LittleEndian.PutUint32(h[20:], crc32.Checksum(h[:20], castagnoli))
	return dst
}

// readFrames calls f with the unpacked payload of each frame of a file; the
// slice is f's until it returns. A tail that is cut off, or that the file
// system had not written before a crash, is told in torn; anything else that
// is wrong is an error that wraps [ErrCorrupt].
func readFrames(r io.Reader, signal string, f func(raw []byte) error) (torn string, err error) {
	line := firstLine(signal)
	got := make([]byte, len(line))
	n, err := io.ReadFull(r, got)
	switch {
	case ended(err) && bytes.HasPrefix(line, got[:n]):
		return "cut off in its first line", nil
	case err != nil && !ended(err):
		return "", err
	case !bytes.Equal(got, line):
		return "", fmt.Errorf("%w: begins with %q, want %q", ErrCorrupt, got[:n], line)
	}
	header := make([]byte, headerLen)
	var payload bytes.Buffer
	var raw []byte
	var unpack *zstd.Decoder
	for sequence := uint32(0); ; sequence++ {
		n, err := io.ReadFull(r, header)
		switch {
		case err == io.EOF:
			return "", nil
		case ended(err):
			return fmt.Sprintf("cut off in the header of frame %d", sequence), nil
		case err != nil:
			return "", err
		}
		word := func(i int) uint32 { return binary.LittleEndian.Uint32(header[4*i:]) }
		if crc32.Checksum(header[:20], castagnoli) != word(5) {
			if zeros(header[:n]) && zerosTo(r) {
				return fmt.Sprintf("nothing but zeros from frame %d on", sequence), nil
			}
			return "", fmt.Errorf("%w: wrong checksum in the header of frame %d", ErrCorrupt, sequence)
		}
		if word(0) != sequence {
			return "", fmt.Errorf("%w: frame %d stands where frame %d should", ErrCorrupt, word(0), sequence)
		}
		if word(2) > maxFrame || word(3) > maxFrame+maxFrame/64 { // zstd grows what it cannot pack by far less
			return "", fmt.Errorf("%w: frame %d claims %d bytes, the most is %d", ErrCorrupt, sequence, word(2), maxFrame)
		}
		payload.Reset()
		switch _, err := io.CopyN(&payload, r, int64(word(3))); {
		case ended(err):
			return fmt.Sprintf("cut off in frame %d", sequence), nil
		case err != nil:
			return "", err
		}
		if crc32.Checksum(payload.Bytes(), castagnoli) != word(4) {
			// After a power cut the last pages may be missing although the
			// file has its length; further in, nothing excuses it.
			if _, err := io.ReadFull(r, header[:1]); err == io.EOF {
				return fmt.Sprintf("wrong checksum in frame %d, the last", sequence), nil
			}
			return "", fmt.Errorf("%w: wrong checksum in frame %d", ErrCorrupt, sequence)
		}
		if unpack == nil {
			if unpack, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxFrame)); err != nil {
				return "", err
			}
			defer unpack.Close()
		}
		raw, err = unpack.DecodeAll(payload.Bytes(), raw[:0])
		if err != nil || len(raw) != int(word(2)) {
			return "", fmt.Errorf("%w: frame %d does not unpack to %d bytes: %v", ErrCorrupt, sequence, word(2), err)
		}
		if err := f(raw); err != nil {
			return "", fmt.Errorf("%w: frame %d: %w", ErrCorrupt, sequence, err)
		}
	}
}

func ended(err error) bool { return err == io.EOF || err == io.ErrUnexpectedEOF }

func zeros(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// zerosTo reports whether the rest of r is zeros.
func zerosTo(r io.Reader) bool {
	b := make([]byte, 4096)
	for {
		n, err := r.Read(b)
		if !zeros(b[:n]) {
			return false
		}
		if err != nil {
			return err == io.EOF
		}
	}
}
