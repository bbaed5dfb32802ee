package loadgen

import "io"

// WriterTo returns a Writer over any file, for tests of a disk that fails.
func WriterTo(f interface {
	io.WriterAt
	Truncate(int64) error
	Sync() error
	Close() error
}, h Header) (*Writer, error) {
	return newWriter(f, "test", h)
}

// MostHeld is how many requests a Writer keeps in memory while the disk takes none.
const MostHeld = maxHeld

// Held is how many requests wait for the disk.
func Held(w *Writer) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.rows)
}

// HeaderFrame is a history that holds a header of those bytes and nothing else.
func HeaderFrame(payload string) []byte {
	return appendFrame([]byte(magic), frameHeader, func(b []byte) []byte { return append(b, payload...) })
}

// RequestsFrame is a history with a sound header and a soundly sealed frame of
// requests that holds those bytes.
func RequestsFrame(payload []byte) []byte {
	return appendFrame(HeaderFrame(`{"schema":"`+Schema+`"}`), frameRequests, func(b []byte) []byte { return append(b, payload...) })
}
