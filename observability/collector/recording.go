package collector

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
)

const (
	// flushEvery is how often what waits is written: the most that a crash of
	// this process costs.
	flushEvery = 200 * time.Millisecond
	// flushAt is how much may wait before it is written at once. Frames of a
	// quarter of a megabyte pack nearly as well as the whole file would.
	flushAt = 256 << 10
)

// A recording is one signal's file, written in the background: append never
// waits for the disk.
type recording struct {
	signal string
	path   string
	limit  int64 // bytes; the frame that reaches it is the last
	pack   *zstd.Encoder
	wake   chan struct{}
	stop   chan struct{}
	done   chan struct{}

	mu       sync.Mutex // of what waits
	waiting  []byte
	items    uint32
	refusing bool // the limit is reached, the disk failed or the file is closed

	writing sync.Mutex // of the file
	file    *os.File
	spare   []byte // waiting's other half, while the one is packed
	packed  []byte
	sum     hash.Hash
	frames  uint32

	state recordingState // under mu
}

// recordingState is what a recording has come to.
type recordingState struct {
	bytes int64
	lost  int64 // items that were accepted and could not be written
	err   error // the disk's first
}

// newRecording makes a file; a file that is there already is another run's.
func newRecording(dir, signal string, limit int64, pack *zstd.Encoder) (*recording, error) {
	folder := filepath.Join(dir, signal)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("making the folder for %s: %w", signal, err)
	}
	path := filepath.Join(folder, signal+".otlp")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("making the file for %s: %w", signal, err)
	}
	line := firstLine(signal)
	if _, err := file.Write(line); err != nil {
		file.Close()
		return nil, fmt.Errorf("beginning the file for %s: %w", signal, err)
	}
	r := &recording{
		signal: signal, path: path, limit: limit, pack: pack, file: file, sum: sha256.New(),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
		state: recordingState{bytes: int64(len(line))},
	}
	r.sum.Write(line)
	go r.run()
	return r, nil
}

func (r *recording) run() {
	defer close(r.done)
	t := time.NewTicker(flushEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-r.wake:
		case <-r.stop:
			return
		}
		r.flush()
	}
}

// append keeps a copy of body, which counts for so many items, to be written
// soon. It reports whether it did: not when the limit is reached, the disk
// has failed, or so much waits for it that a frame would not hold it.
func (r *recording) append(body []byte, items int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refusing || len(r.waiting)+len(body) > maxFrame {
		return false
	}
	r.waiting = append(r.waiting, body...)
	r.items += uint32(items)
	if len(r.waiting) >= flushAt {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
	return true
}

// flush writes what waits.
func (r *recording) flush() {
	r.writing.Lock()
	defer r.writing.Unlock()
	r.mu.Lock()
	raw, items, size := r.waiting, r.items, r.state.bytes
	r.waiting, r.items = r.spare[:0], 0
	r.mu.Unlock()
	r.spare = raw
	if len(raw) == 0 {
		return
	}
	r.packed = appendFrame(r.packed[:0], r.frames, items, raw, r.pack)
	_, err := r.file.Write(r.packed)

	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		// Half a frame must not stand before whole ones, and a gap is worse
		// than an end: what came before stays readable, nothing follows.
		r.file.Truncate(size)
		r.fail(err)
		r.state.lost += int64(items)
		return
	}
	r.sum.Write(r.packed)
	r.frames++
	r.state.bytes += int64(len(r.packed))
	if r.state.bytes >= r.limit {
		r.refusing = true
	}
}

// fail remembers the first error; the caller holds r.mu.
func (r *recording) fail(err error) {
	if r.state.err == nil {
		r.state.err = err
	}
	r.refusing = true
	// What waits was accepted before the disk was known to have failed.
	r.state.lost += int64(r.items)
	r.waiting, r.items = r.waiting[:0], 0
}

func (r *recording) now() recordingState {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

// sync writes what waits and has the disk keep it.
func (r *recording) sync() error {
	r.flush()
	if err := r.now().err; err != nil {
		return err
	}
	r.writing.Lock()
	err := r.file.Sync()
	r.writing.Unlock()
	if err != nil {
		r.mu.Lock()
		r.fail(err)
		r.mu.Unlock()
	}
	return err
}

// close writes the rest and describes the file.
func (r *recording) close() (manifestFile, error) {
	close(r.stop)
	<-r.done
	r.mu.Lock()
	r.refusing = true
	r.mu.Unlock()
	err := r.sync()
	if cerr := r.file.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		err = fmt.Errorf("writing %s: %w", r.path, err)
	}
	return manifestFile{
		Path: r.signal + "/" + filepath.Base(r.path), Bytes: r.now().bytes,
		Frames: r.frames, SHA256: hex.EncodeToString(r.sum.Sum(nil)),
	}, err
}
