package impair

import (
	"bufio"
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

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/supervise"
)

const (
	// leaveTime is what a holder has to let go of what it holds, such as
	// packets under way; then it is killed, which lifts the harm as well.
	leaveTime = time.Second
	// glance is how long to wait between two looks at its end.
	glance = 2 * time.Millisecond
	// word is what a holder says when what it holds is in force.
	word = "ready\n"
)

// A spec is what a holder is told on its standard input, which stays open as
// long as whoever started it lives.
type spec struct {
	Impairment deploy.Impairment `json:"impairment"`
	Target     Target            `json:"target"`
	// Lock is a file that the holder locks. Who asks the kernel for the owner
	// of that lock learns its process id, from any process and at any time.
	Lock string `json:"lock"`
}

// Main is what `bedlam impair` runs: the holder of one impairment on one
// instance. It ends when ctx does, or stdin.
func Main(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	in := bufio.NewReader(stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("reading what to hold: %w", err)
	}
	var s spec
	if err := json.Unmarshal(line, &s); err != nil {
		return fmt.Errorf("reading what to hold: %w", err)
	}
	h, err := Build(s.Impairment)
	if err != nil {
		return err
	}
	held, ok := h.(Held)
	if !ok {
		return fmt.Errorf("%s needs nobody to hold it", s.Impairment.Kind)
	}
	lock, err := os.OpenFile(s.Lock, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.FcntlFlock(lock.Fd(), syscall.F_SETLK, &syscall.Flock_t{Type: syscall.F_WRLCK}); err != nil {
		return fmt.Errorf("locking %s: %w", s.Lock, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		io.Copy(io.Discard, in) // until whoever started us is gone
		cancel()
	}()
	return held.Hold(ctx, s.Target, func() { io.WriteString(stdout, word) })
}

// A holder is one that this process has started.
type holder struct {
	cmd   *exec.Cmd
	stdin io.Closer
	ended chan struct{}
}

// hold makes sure that r has a living holder, and returns when it holds.
func (p *Plane) hold(ctx context.Context, r record) error {
	if err := p.release(ctx, r); err != nil { // of an earlier life, with its target
		return err
	}
	b, err := json.Marshal(spec{r.Impairment, r.Target, r.lock()})
	if err != nil {
		return err
	}
	cmd := exec.Command(p.bedlam, "impair")
	cmd.Dir = filepath.Dir(r.path) // within the scratch folder, where a sweep finds it
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
			p.keep(r.lock(), h)
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

func (p *Plane) keep(lock string, h *holder) {
	p.keeping.Lock()
	defer p.keeping.Unlock()
	p.holders[lock] = h
}

func (p *Plane) unkeep(lock string) *holder {
	p.keeping.Lock()
	defer p.keeping.Unlock()
	h := p.holders[lock]
	delete(p.holders, lock)
	return h
}

// Close ends the holders that this process has started. What they held is
// lifted; what else was done stays, for whoever sweeps.
func (p *Plane) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for lock, h := range p.holders {
		h.end()
		delete(p.holders, lock)
	}
}

// release ends r's holder, whoever has started it, and returns when the kernel
// says that there is none.
func (p *Plane) release(ctx context.Context, r record) error {
	if h := p.unkeep(r.lock()); h != nil {
		h.end()
	}
	began := time.Now()
	for {
		pid, err := owner(r.lock())
		if err != nil || pid == 0 {
			return err
		}
		sig := syscall.SIGTERM
		if time.Since(began) > leaveTime {
			sig = syscall.SIGKILL
		}
		if err := signal(pid, sig, r.lock()); err != nil {
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
