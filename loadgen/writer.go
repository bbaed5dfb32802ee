package loadgen

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

const (
	// flushEvery is how much of a history a killed process loses at most.
	flushEvery = 100 * time.Millisecond
	// maxHeld bounds what waits in memory for a disk that takes nothing: about
	// 64 MiB of requests, half an hour at the default rate.
	maxHeld = 256 << 10
)

// A file is what a Writer needs of one; tests put a full disk here.
type file interface {
	io.WriterAt
	Truncate(size int64) error
	Sync() error
	Close() error
}

// A Writer writes a history. It implements [Recorder]: requests go into memory
// and a goroutine of its own takes them to the disk. A disk that refuses them
// is asked again; what was written before stays readable.
type Writer struct {
	f    file
	name string

	mu   sync.Mutex
	rows []Request // not yet handed to the disk
	lost uint64
	err  error // the first

	// Only the flushing goroutine, and after it Close, uses what follows.
	spare   []Request
	texts   texts
	scratch []byte
	buf     []byte // encoded, not yet on the disk; begins at off
	off     int64
	written uint64 // rows encoded into buf or on the disk

	wake chan struct{}
	quit chan struct{}
	done chan struct{}
	once sync.Once
	end  error
}

// Create makes the file of a history, which must not be there yet, and writes
// its header. An empty schema is filled in.
func Create(path string, h Header) (*Writer, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("create history: %w", err)
	}
	w, err := newWriter(f, path, h)
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(path))
	}
	return w, nil
}

func newWriter(f file, name string, h Header) (*Writer, error) {
	if h.Schema == "" {
		h.Schema = Schema
	}
	if h.Schema != Schema {
		return nil, fmt.Errorf("create history %s: %w %q, this version writes %s", name, ErrSchema, h.Schema, Schema)
	}
	head, err := json.Marshal(headerJSON(h))
	if err != nil {
		return nil, fmt.Errorf("create history %s: %w", name, err)
	}
	w := &Writer{
		f: f, name: name, texts: texts{number: map[string]uint64{}},
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
	}
	w.buf = append(w.buf, magic...)
	w.buf = appendFrame(w.buf, frameHeader, func(b []byte) []byte { return append(b, head...) })
	if err := w.drain(); err != nil {
		return nil, fmt.Errorf("create history %s: %w", name, err)
	}
	go w.flushing()
	return w, nil
}

// Record takes a request. It never waits for the disk; when too much waits
// already, the request is lost and counted, and the history says so.
func (w *Writer) Record(r Request) {
	w.mu.Lock()
	full := len(w.rows) >= maxHeld
	if full {
		w.lost++
	} else {
		w.rows = append(w.rows, r)
	}
	many := len(w.rows) >= frameRows
	w.mu.Unlock()
	if many {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// Err returns the first error that the disk gave, even if it has taken
// everything since.
func (w *Writer) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Close writes what is left and the end of the history, and closes the file.
// The error says that the file is not complete. Record no more after it.
func (w *Writer) Close() error {
	w.once.Do(func() {
		close(w.quit)
		<-w.done
		w.flush()
		w.mu.Lock()
		w.lost += uint64(len(w.rows))
		lost := w.lost
		w.mu.Unlock()
		w.buf = appendFrame(w.buf, frameEnd, func(b []byte) []byte {
			return binary.AppendUvarint(binary.AppendUvarint(b, w.written), lost)
		})
		err := w.drain()
		if err == nil && lost > 0 {
			err = fmt.Errorf("%d requests could not be written: %w", lost, w.Err())
		}
		if err = errors.Join(err, w.f.Sync(), w.f.Close()); err != nil {
			w.end = fmt.Errorf("close history %s: %w", w.name, err)
		}
	})
	return w.end
}

func (w *Writer) flushing() {
	defer close(w.done)
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-w.wake:
		case <-w.quit:
			return
		}
		w.flush()
	}
}

// flush encodes what has come and hands it to the disk. While the disk refuses
// what was encoded before, the rest stays as it is.
func (w *Writer) flush() {
	if w.drain() != nil {
		return
	}
	w.mu.Lock()
	rows := w.rows
	w.rows, w.spare = w.spare[:0], nil
	w.mu.Unlock()
	for part := rows; len(part) > 0; {
		n := min(len(part), frameRows)
		w.buf = appendFrame(w.buf, frameRequests, func(b []byte) []byte {
			b, w.scratch = w.texts.appendRequests(b, part[:n], w.scratch)
			return b
		})
		w.written += uint64(n)
		part = part[n:]
	}
	clear(rows) // lets go of the texts
	w.spare = rows[:0]
	_ = w.drain()
}

// drain writes buf where the last whole write ended, so that what a failed one
// left behind is written over.
func (w *Writer) drain() error {
	if len(w.buf) == 0 {
		return nil
	}
	if _, err := w.f.WriteAt(w.buf, w.off); err != nil {
		// A part of a frame may stand at the end now; a reader would take the
		// history as cut off there, which it is until the next try.
		_ = w.f.Truncate(w.off)
		w.mu.Lock()
		if w.err == nil {
			w.err = fmt.Errorf("write history %s: %w", w.name, err)
		}
		w.mu.Unlock()
		return err
	}
	w.off += int64(len(w.buf))
	w.buf = w.buf[:0]
	return nil
}
