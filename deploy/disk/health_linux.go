package disk

import (
	"math/rand/v2"
	"sync"
	"syscall"
	"time"
)

// A health is what ails the disk that this process serves.
type health struct {
	mu       sync.Mutex
	told     map[string][]byte // as it is read back
	readOnly bool
	slow     *Slow
	draws    *rand.Rand

	// room is held by whoever changes how much there is on a disk that is full.
	room sync.Mutex
	full bool
	free int64
}

func newHealth() *health { return &health{told: map[string][]byte{}} }

// ail takes an ailment; nil takes the one of that name away, and is false if
// there is none.
func (h *health) ail(name string, told []byte, a Ailment) bool {
	h.room.Lock()
	defer h.room.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	_, had := h.told[name]
	if a == nil {
		delete(h.told, name)
	} else {
		h.told[name] = told
	}
	full, isFull := a.(Full)
	slow, isSlow := a.(Slow)
	switch name {
	case FullName:
		h.full, h.free = isFull, full.Free
	case SlowName:
		if h.slow = nil; isSlow {
			h.slow, h.draws = &slow, rand.New(rand.NewPCG(slow.Seed, 0))
		}
	case ReadOnlyName:
		h.readOnly = a != nil
	}
	return had || a != nil
}

// tells returns what the disk was told under a name.
func (h *health) tells(name string) ([]byte, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	b, ok := h.told[name]
	return b, ok
}

// changes says whether anything can be changed.
func (h *health) changes() syscall.Errno {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.readOnly {
		return syscall.EROFS
	}
	return 0
}

// take lets an operation take as long as it is to. Nothing calls it off, not
// even a signal to whoever waits: that is how a disk is.
func (h *health) take(o Operation) {
	h.mu.Lock()
	late := h.slow.hits(o, h.draws)
	h.mu.Unlock()
	if late > 0 {
		time.Sleep(late)
	}
}

// hits returns by how much an operation is late.
func (s *Slow) hits(o Operation, draws *rand.Rand) time.Duration {
	if s == nil {
		return 0
	}
	for _, slow := range s.Slows() {
		if slow == o && draws.Float64() < s.Percent.Share() {
			return s.Latency.D()
		}
	}
	return 0
}

// grow does what changes how long a file is: do is told how many of the bytes
// that it wants beyond its end are there, and returns by how many it has become
// longer. Files that become shorter make room.
func (h *health) grow(do func(free int64) (longer int64, errno syscall.Errno)) syscall.Errno {
	h.room.Lock()
	if !h.full {
		h.room.Unlock()
		_, errno := do(endless)
		return errno
	}
	defer h.room.Unlock()
	longer, errno := do(h.free)
	h.free -= longer
	return errno
}

// endless is the room on a disk that is not full, as far as we are concerned.
const endless = 1 << 62

// left returns how much room there is, if that is bounded.
func (h *health) left() (free int64, full bool) {
	h.room.Lock()
	defer h.room.Unlock()
	return max(h.free, 0), h.full
}
