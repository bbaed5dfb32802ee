package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A unit is one thing that runs: an instance of the topology, or the relay.
type unit struct {
	name    string
	address string // its own
	log     string // path of its log file
	// prepare is called before each start, after the last life's processes
	// are gone; may be nil.
	prepare func(ctx context.Context) error
	command func() (*exec.Cmd, error) // with Args, Env and Dir set
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

	files files
	tell  func(kind, instance, detail string)

	wake  chan struct{} // buffered: ends a pause
	born  chan struct{} // closed when it is ready for the first time
	ended chan struct{} // closed when its keeper has gone

	kept bool // it has a keeper

	mu   sync.Mutex
	life *life
	n    int // starts
}

// A life is one process of a unit, from its start to its end.
type life struct {
	identity
	cmd   *exec.Cmd
	start int
	ready atomic.Bool   // it was healthy, and the relay knows
	gone  chan struct{} // closed when it is reaped and everybody has been told
}

func (u *unit) pack(l identity) pack {
	k := pack{folder: u.files.folder(u.name)}
	if l.PID != 0 {
		k.roots = []identity{l}
	}
	return k
}

// current returns the life that has begun last, if its end has not been seen yet.
func (u *unit) current() *life {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.life
}

// begin starts the process. Its place in the state file is written before, with
// the number of starts, and after, with its identity: between the two, its
// working directory is what tells whose it is.
func (u *unit) begin(ctx context.Context) (*life, error) {
	if err := u.pack(identity{}).kill(ctx); err != nil {
		return nil, fmt.Errorf("ending what its last life left: %w", err)
	}
	if u.prepare != nil {
		if err := u.prepare(ctx); err != nil {
			return nil, err
		}
	}
	cmd, err := u.command()
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(u.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	// A file, not a pipe of ours: it must not notice when we are killed.
	cmd.Stdout, cmd.Stderr = log, log
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	// A session of its own is a process group of its own, and no terminal.
	cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setpgid = true, false

	u.mu.Lock()
	defer u.mu.Unlock()
	if ctx.Err() != nil { // under the lock: whoever stops us sees every life that begins
		return nil, context.Cause(ctx)
	}
	u.n++
	if err := writeJSON(u.files.state(u.name), record{Starts: u.n}); err != nil {
		return nil, err
	}
	err = cmd.Start()
	if in, ok := cmd.Stdin.(*os.File); ok {
		in.Close()
	}
	if err != nil {
		return nil, err
	}
	l := &life{cmd: cmd, start: u.n, gone: make(chan struct{})}
	p, err := look(cmd.Process.Pid) // it is ours to reap, so it is there, if only as a zombie
	if err == nil {
		l.identity = p.identity
		err = writeJSON(u.files.state(u.name), record{identity: l.identity, Starts: u.n})
	}
	if err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		return nil, err
	}
	u.life = l
	return l, nil
}

// finish records the end of a life, after its process has been reaped.
func (u *unit) finish(ctx context.Context, l *life) error {
	err := u.pack(l.identity).kill(ctx)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.life = nil
	if e := writeJSON(u.files.state(u.name), record{Starts: u.n}); err == nil {
		err = e
	}
	return err
}
