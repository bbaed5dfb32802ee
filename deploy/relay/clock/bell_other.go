//go:build !linux

package clock

import "time"

// A bell is a timer of Go's.
type bell struct {
	timer  *time.Timer
	closed chan struct{}
}

func newBell() (*bell, error) {
	t := time.NewTimer(0)
	t.Stop()
	return &bell{t, make(chan struct{})}, nil
}

// set makes the bell ring once after a time, and not at the one that was set
// before.
func (b *bell) set(after time.Duration) { b.timer.Reset(after) }

// wait waits for the bell and reports false when it is closed.
func (b *bell) wait() bool {
	select {
	case <-b.timer.C:
		return true
	case <-b.closed:
		return false
	}
}

func (b *bell) close() {
	b.timer.Stop()
	close(b.closed)
}
