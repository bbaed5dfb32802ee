package impair

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/bedlamlab/bedlam/deploy/supervise"
)

const (
	// leaveTime is what a holder has to let go of what it holds, such as
	// packets under way; then it is killed, which lifts the harm as well.
	leaveTime = time.Second
	// glance is how long to wait between two looks at its end.
	glance = 2 * time.Millisecond
)

// A holder is one that this process has started.
type holder struct {
	cmd   *exec.Cmd
	stdin io.Closer
	ended chan struct{}
}

// hold makes sure that a job has a living holder, and returns when it holds.
func (o *local) hold(ctx context.Context, j Job) error {
	lock := o.lock(j)
	if err := o.release(ctx, j); err != nil { // of an earlier life, with its target
		return err
	}
	b, err := json.Marshal(spec{Job: j, Lock: lock})
	if err != nil {
		return err
	}
	cmd := exec.Command(o.bedlam, "impair")
	cmd.Dir = filepath.Dir(lock) // within the scratch folder, where a sweep finds it
	cmd.Env = []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	said := &announcement{heard: make(chan struct{})}
	var complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = said, &complaint
	cmd.WaitDelay = leaveTime
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting its holder: %w", err)
	}
	h := &holder{cmd, stdin, make(chan struct{})}
	go func() {
		cmd.Wait()
		close(h.ended)
	}()
	if _, err := stdin.Write(append(b, '\n')); err == nil {
		select {
		case <-said.heard:
			o.keep(lock, h)
			return nil
		case <-h.ended:
		case <-ctx.Done():
			h.end()
			return fmt.Errorf("waiting for its holder: %w", context.Cause(ctx))
		}
	}
	h.end()
	return fmt.Errorf("its holder ended (%s): %s", cmd.ProcessState, bytes.TrimSpace(complaint.Bytes()))
}

// An announcement closes heard at the first thing that is written.
type announcement struct {
	once  sync.Once
	heard chan struct{}
}

func (a *announcement) Write(b []byte) (int, error) {
	a.once.Do(func() { close(a.heard) })
	return len(b), nil
}

// end asks h to end, insists, and waits for it.
func (h *holder) end() {
	h.stdin.Close()
	h.cmd.Process.Signal(syscall.SIGTERM)
	t := time.NewTimer(leaveTime)
	defer t.Stop()
	select {
	case <-h.ended:
		return
	case <-t.C:
	}
	h.cmd.Process.Kill()
	<-h.ended
}

func (o *local) keep(lock string, h *holder) {
	o.keeping.Lock()
	defer o.keeping.Unlock()
	o.holders[lock] = h
}

func (o *local) unkeep(lock string) *holder {
	o.keeping.Lock()
	defer o.keeping.Unlock()
	h := o.holders[lock]
	delete(o.holders, lock)
	return h
}

// Close implements [Hands].
func (o *local) Close() {
	o.keeping.Lock()
	defer o.keeping.Unlock()
	for lock, h := range o.holders {
		h.end()
		delete(o.holders, lock)
	}
}

// release ends a job's holder, whoever has started it, and returns when the
// kernel says that there is none.
func (o *local) release(ctx context.Context, j Job) error {
	lock := o.lock(j)
	if h := o.unkeep(lock); h != nil {
		h.end()
	}
	return free(ctx, lock)
}

// free ends the process that has locked a file, and returns when the kernel says
// that nobody has.
func free(ctx context.Context, lock string) error {
	began := time.Now()
	for {
		pid, err := owner(lock)
		if err != nil || pid == 0 {
			return err
		}
		sig := syscall.SIGTERM
		if time.Since(began) > leaveTime {
			sig = syscall.SIGKILL
		}
		if err := signal(pid, sig, lock); err != nil {
			return err
		}
		if err := supervise.Sleep(ctx, glance); err != nil {
			return fmt.Errorf("its holder, process %d, does not end: %w", pid, err)
		}
	}
}

// owner returns the process that has locked the file; 0 if nobody has, or it
// is not there.
func owner(path string) (int, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	l := syscall.Flock_t{Type: syscall.F_WRLCK}
	if err := syscall.FcntlFlock(f.Fd(), syscall.F_GETLK, &l); err != nil {
		return 0, fmt.Errorf("asking who has locked %s: %w", path, err)
	}
	if l.Type == syscall.F_UNLCK {
		return 0, nil
	}
	return int(l.Pid), nil
}

// signal sends sig to the process that has locked the file. It is found before
// it is asked for again: from then on its number cannot come to mean another.
func signal(pid int, sig syscall.Signal, lock string) error {
	process, err := os.FindProcess(pid)
	if err != nil {
		return nil
	}
	defer process.Release()
	if now, err := owner(lock); err != nil || now != pid {
		return err
	}
	if err := process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}
