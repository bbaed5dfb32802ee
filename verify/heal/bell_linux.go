package heal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// A bell rings whenever a file is written to that may not be there yet. Who
// waits for a line in it costs nothing until then, and is woken by the write
// itself, before its flush: sooner than by any look from time to time.
type bell struct {
	rings  chan struct{} // of several that nobody has heard, one
	kernel *os.File
	paths  []string // each in the one before; the last is the file
	heard  int      // how many of them the kernel tells of
}

// newBell rings for the last of some paths, of which each is in the one before
// and the first is there.
func newBell(paths ...string) (*bell, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("asking the kernel to tell of writes: %w", err)
	}
	b := &bell{rings: make(chan struct{}, 1), kernel: os.NewFile(uintptr(fd), "inotify"), paths: paths}
	if err := b.hear(fd); err != nil {
		return nil, errors.Join(err, b.close())
	}
	go b.listen(fd)
	return b, nil
}

// hear asks for what is not told yet, as far as it is there. What is made in a
// folder afterwards, the folder tells of.
func (b *bell) hear(fd int) error {
	for ; b.heard < len(b.paths); b.heard++ {
		mask := uint32(unix.IN_CREATE | unix.IN_MOVED_TO)
		if b.heard == len(b.paths)-1 {
			mask = unix.IN_MODIFY
		}
		_, err := unix.InotifyAddWatch(fd, b.paths[b.heard], mask)
		if errors.Is(err, fs.ErrNotExist) && b.heard > 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("asking the kernel to tell of writes to %s: %w", b.paths[b.heard], err)
		}
	}
	return nil
}

// listen rings until the bell is closed.
func (b *bell) listen(fd int) {
	defer close(b.rings)
	told := make([]byte, 4096) // what is told does not matter, but that it is
	for {
		if _, err := b.kernel.Read(told); err != nil {
			return
		}
		if err := b.hear(fd); err != nil {
			return
		}
		select {
		case b.rings <- struct{}{}:
		default:
		}
	}
}

func (b *bell) close() error { return b.kernel.Close() }
