package postgres

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"sync"
	"time"
)

// A Server is a running PostgreSQL that nobody restarts.
type Server struct {
	options Options
	cmd     *exec.Cmd
	exited  chan struct{} // closed when the postmaster is gone
	err     error         // why; read it after exited
	once    sync.Once
}

// Start does all of it: Init, the postmaster, Ready, Provision. An empty
// password is replaced by a random one; see [Server.Options]. The server's own
// log goes to log, which may be nil. On error nothing is left running.
func (i *Install) Start(ctx context.Context, o Options, log io.Writer) (*Server, error) {
	o.Roles = slices.Clone(o.Roles) // the caller may go on to change its own
	if o.Password == "" {
		o.Password = rand.Text()
	}
	if err := i.Init(ctx, o); err != nil {
		return nil, err
	}
	if err := i.Settle(ctx, o); err != nil {
		return nil, err
	}
	s := &Server{options: o, cmd: i.Command(o), exited: make(chan struct{})}
	last := &tail{next: log}
	s.cmd.Stderr = last
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("postgres: starting: %w", err)
	}
	waiting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		s.err = s.cmd.Wait()
		close(s.exited)
		cancel(fmt.Errorf("postgres: it ended at its start (%v): %s", s.err, last.line()))
	}()
	if err := i.Provision(waiting, o); err != nil {
		select {
		case <-s.exited:
			err = context.Cause(waiting)
		default:
		}
		s.Stop(context.WithoutCancel(ctx))
		return nil, err
	}
	return s, nil
}

// Options returns what the server was started with, passwords included.
func (s *Server) Options() Options { return s.options }

// DSN returns the URL at which role reaches the server.
func (s *Server) DSN(role string) string { return DSN(s.options, role) }

// Exited is closed when the postmaster is gone, whatever ended it.
func (s *Server) Exited() <-chan struct{} { return s.exited }

// patience is how long a fast shutdown may take before it is made firm: it
// writes one checkpoint of at most 24 MB.
const patience = 10 * time.Second

// Stop ends the server: a fast shutdown, and after ten seconds or when ctx is
// done SIGKILL to all of its processes. It returns when none is left and the
// kernel holds nothing of it. The data folder stays.
func (s *Server) Stop(ctx context.Context) error {
	var err error
	s.once.Do(func() { err = s.stop(ctx) })
	return err
}

func (s *Server) stop(ctx context.Context) error {
	s.cmd.Process.Signal(FastShutdown) // an error says that it is gone already
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-s.exited:
	case <-limit.C:
	case <-ctx.Done():
	}
	if err := Kill(s.options.Dir); err != nil {
		return err
	}
	<-s.exited // cannot take long: nothing of it lives
	return Clean(s.options.Dir)
}

// tail passes a log on and keeps the end of it for an error's text.
type tail struct {
	next io.Writer
	mu   sync.Mutex
	end  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	t.end = append(t.end, p...)
	if n := len(t.end) - 4096; n > 0 { // a few lines
		t.end = t.end[n:]
	}
	t.mu.Unlock()
	if t.next != nil {
		return t.next.Write(p)
	}
	return len(p), nil
}

func (t *tail) line() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return fatal(t.end)
}
