package supervise

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A Body is what a unit runs as: a process, or a container.
type Body interface {
	// Prepare is called before each start, after the last life has ended.
	Prepare(ctx context.Context) error
	// Start begins a life, whose output goes to log as long as it lasts. It
	// does not wait until it is ready.
	Start(ctx context.Context, log *os.File) (Life, error)
}

// A Life is one life of a unit, from its start to its end. That of a guest is
// not ours to end: Ask does nothing, and End lets go of it, after which Wait
// returns.
type Life interface {
	Identity() Identity
	// Wait returns when nobody answers any more, which End may still have to
	// clear away.
	Wait()
	// Ask sends it a signal, and thaws it: what is frozen cannot end.
	Ask(ctx context.Context, sig syscall.Signal)
	// End kills all that is left of it, and returns when a read-back shows
	// that nothing is. It is called also after Wait.
	End(ctx context.Context) error
	// Why says in words how it ended, after Wait and End: never nil. It is an
	// ErrOOMKilled if it is known that the kernel ended it for want of memory.
	Why() error
}

// A unit is one thing that runs: an instance of the topology, or the relay.
type unit struct {
	name    string
	address string // its own; empty: whether it accepts connections is not asked
	log     string // path of its log file
	body    Body
	// equip is called once in a run, when it first accepts connections; may be nil.
	equip   func(ctx context.Context) error
	examine func() (checkup, error) // one for each life
	// opened is told when it accepts connections and when it is known not to.
	opened func(ctx context.Context, up bool)
	// readied is called after each start when it is ready; may be nil.
	readied func(ctx context.Context)
	// despair is told why it will not come up.
	despair func(why error)
	first   time.Duration // pause before the first restart
	endTime time.Duration // bounds the end of a life and its read-back

	files Files
	tell  func(kind, instance, detail string)

	wake  chan struct{} // buffered: ends a pause
	born  chan struct{} // closed when it is ready for the first time
	ended chan struct{} // closed when its keeper has gone

	kept bool // it has a keeper

	mu       sync.Mutex
	life     *span
	n        int // starts
	oomKills int
}

// A span is a life and what its keeper knows of it.
type span struct {
	Life
	id    Identity
	log   *os.File
	start int
	ready atomic.Bool   // it was healthy, and the relay knows
	gone  chan struct{} // closed when it has ended and everybody has been told
	left  time.Time     // its keeper's: when it ended
}

// current returns the life that has begun last, if its end has not been seen yet.
func (u *unit) current() *span {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.life
}

// begin starts a life. Its place in the state file is written before, with the
// number of starts, and after, with its identity: between the two, it is the
// machine that tells whose it is.
func (u *unit) begin(ctx context.Context) (*span, error) {
	if err := u.body.Prepare(ctx); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(u.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	l, err := u.start(ctx, log)
	if err != nil {
		log.Close()
		return nil, err
	}
	return l, nil
}

func (u *unit) start(ctx context.Context, log *os.File) (*span, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if ctx.Err() != nil { // under the lock: whoever stops us sees every life that begins
		return nil, context.Cause(ctx)
	}
	u.n++
	if err := u.record(Identity{}); err != nil {
		return nil, err
	}
	life, err := u.body.Start(ctx, log)
	if err != nil {
		return nil, err
	}
	l := &span{Life: life, id: life.Identity(), log: log, start: u.n, gone: make(chan struct{})}
	if err := u.record(l.id); err != nil {
		// Not ctx: a life that nobody keeps must not stay.
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), u.endTime)
		defer cancel()
		l.End(end)
		l.Wait()
		return nil, err
	}
	u.life = l
	return l, nil
}

// record writes the state file. The caller has the lock.
func (u *unit) record(id Identity) error {
	return writeJSON(u.files.state(u.name), Record{Identity: id, Starts: u.n, OOMKills: u.oomKills})
}

// finish records the end of a life, after it has been waited for.
func (u *unit) finish(ctx context.Context, l *span) error {
	err := l.End(ctx)
	l.log.Close()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.life = nil
	if errors.Is(l.Why(), ErrOOMKilled) {
		u.oomKills++
	}
	if e := u.record(Identity{}); err == nil {
		err = e
	}
	return err
}
