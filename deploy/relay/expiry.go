package relay

import (
	"sync"
	"time"
)

// An expiry is the end that a rule gives to the connections it meets, some time
// after something has happened to them.
type expiry struct {
	after time.Duration
	// silence counts from the last chunk that the rule has changed, and before
	// any from the moment at which connection and rule met. Without it the time
	// runs from the first such chunk, and there is no end if none comes.
	silence bool
	// reset ends the connection with a RST towards both sides; else with a FIN.
	reset bool
}

// A fuse is an expiry at work on one connection.
type fuse struct {
	expiry

	mu    sync.Mutex
	end   func(reset bool) // nil once it is cut
	timer *time.Timer      // nil: it does not burn yet
}

// begin is called when connection and rule meet; end must not wait for them.
func (f *fuse) begin(end func(reset bool)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.end = end
	if f.silence {
		f.light()
	}
}

// touch is called for each chunk that the rule has changed.
func (f *fuse) touch() {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.end == nil:
	case f.timer == nil:
		f.light()
	case f.silence:
		f.timer.Reset(f.after)
	}
}

func (f *fuse) light() {
	end := f.end
	f.timer = time.AfterFunc(f.after, func() { end(f.reset) })
}

// cut puts the fuse out for good.
func (f *fuse) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.end = nil
	if f.timer != nil {
		f.timer.Stop()
	}
}
