package guard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// A Process is a running guard, as its owner sees it.
type Process struct {
	program string
	args    []string
	entry   *Registration

	stop chan struct{} // closed by Stop
	done chan struct{} // closed when no guard runs any more

	mu   sync.Mutex
	pid  int
	pipe *os.File // the end that only this process holds
}

// Start spawns program with args, which must call [Main] for r's run with its
// standard input, and returns when that guard is watching. It stands in a
// session of its own, so that Ctrl-C does not reach it, in the state folder,
// so that no sweep of scratch folders finds it, and is started again if it
// dies. What it prints goes to guard.log in the run folder. ctx bounds the start only.
func Start(ctx context.Context, program string, args []string, r *Registration) (*Process, error) {
	p := &Process{program: program, args: args, entry: r, stop: make(chan struct{}), done: make(chan struct{})}
	cmd, err := p.spawn()
	if err != nil {
		return nil, fmt.Errorf("starting the guard: %w", err)
	}
	died := make(chan error, 1)
	go func() { died <- cmd.Wait() }()
	if err := p.watching(ctx, cmd.Process.Pid, died); err != nil {
		cmd.Process.Kill()
		p.pipe.Close()
		return nil, fmt.Errorf("starting the guard: %w", err)
	}
	go p.keep(died)
	return p, nil
}

// watching waits until the guard has said that it watches.
func (p *Process) watching(ctx context.Context, pid int, died chan error) error {
	tick := time.NewTicker(5 * time.Millisecond) // a Go process is up in some 10 ms
	defer tick.Stop()
	for {
		b, err := os.ReadFile(guardPath(p.entry.state, p.entry.run.ID))
		if err == nil && string(bytes.TrimSpace(b)) == strconv.Itoa(pid) {
			return nil
		}
		select {
		case err := <-died:
			return fmt.Errorf("%s ended before it watched: %v", p.program, err)
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

func (p *Process) spawn() (*exec.Cmd, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	cmd := exec.Command(p.program, p.args...)
	cmd.Dir = p.entry.state
	cmd.Stdin = read
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if dir := p.entry.run.Folder; dir != "" {
		log, err := os.OpenFile(filepath.Join(dir, "guard.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			write.Close()
			return nil, err
		}
		if err == nil {
			defer log.Close()
			cmd.Stdout, cmd.Stderr = log, log
		}
	}
	if err := cmd.Start(); err != nil {
		write.Close()
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pipe != nil {
		p.pipe.Close()
	}
	p.pid, p.pipe = cmd.Process.Pid, write
	select {
	case <-p.stop: // stopped while it was starting
		write.Close()
	default:
	}
	return cmd, nil
}

// keep starts the guard again whenever it dies, until it is stopped or there
// is nothing left to guard.
func (p *Process) keep(died chan error) {
	defer close(p.done)
	// From 50 ms, since every moment without a guard is a moment in which the
	// owner could die unseen, doubling to the lease for one that cannot start.
	pause := 50 * time.Millisecond
	began := time.Now()
	for {
		<-died
		if time.Since(began) > Lease {
			pause = 50 * time.Millisecond
		}
		for {
			select {
			case <-p.stop:
				return
			case <-time.After(pause):
			}
			if _, err := os.Stat(entryPath(p.entry.state, p.entry.run.ID)); errors.Is(err, fs.ErrNotExist) {
				return
			}
			pause = min(2*pause, Lease)
			cmd, err := p.spawn()
			if err != nil {
				continue
			}
			began = time.Now()
			go func() { died <- cmd.Wait() }()
			break
		}
	}
}

// PID returns the process id of the guard that was started last.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pid
}

// Stop lets the guard end and waits for it. Close the registration first: a
// guard whose run still stands waits for the owner's death, and Stop then
// returns ctx's error.
func (p *Process) Stop(ctx context.Context) error {
	p.mu.Lock()
	select {
	case <-p.stop:
	default:
		close(p.stop)
		p.pipe.Close()
	}
	p.mu.Unlock()
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stopping the guard: %w", context.Cause(ctx))
	}
}
