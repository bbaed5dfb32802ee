// Package proctest runs a service in a process of its own, so that a test can
// kill or pause it as a machine would. Call [Main] from TestMain; then [Start]
// runs the test binary once more as the service.
package proctest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/services/internal/servetest"
	"github.com/bedlamlab/bedlam/topology"
)

// assignment is the variable that makes the test binary the service.
const assignment = "SHOP_ASSIGNMENT"

// Main runs the tests, or the service in a process that [Start] has made.
func Main(m *testing.M, run func(context.Context, topology.Assignment) error) {
	text := os.Getenv(assignment)
	if text == "" {
		os.Exit(m.Run())
	}
	var a topology.Assignment
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		fmt.Fprintln(os.Stderr, "reading the assignment:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	// The test may die without a word; its pipe ends with it.
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	if err := run(ctx, a); err != nil {
		fmt.Fprintln(os.Stderr, "ended:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// A Process is a service in a process of its own.
type Process struct {
	Address string

	t     testing.TB
	cmd   *exec.Cmd
	ended chan struct{}

	mu    sync.Mutex
	log   bytes.Buffer
	wrote chan struct{} // closed and replaced whenever something was logged
}

// startLimit is a hundred times what a start takes on an idle machine.
const startLimit = time.Minute

// shown is how much of the log of a failed test is printed, from its end.
const shown = 4 << 10

// Start runs a service until the test ends, and returns once it serves.
func Start(t testing.TB, a topology.Assignment) *Process {
	t.Helper()
	if a.Listen == "" {
		a.Listen = servetest.Address(t)
	}
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatalf("writing the assignment: %v", err)
	}
	p := &Process{Address: a.Listen, t: t, ended: make(chan struct{}), wrote: make(chan struct{})}
	p.cmd = exec.Command(os.Args[0], "-test.run=^$")
	p.cmd.Env = append(os.Environ(), assignment+"="+string(text))
	p.cmd.Stdout, p.cmd.Stderr = p, p
	held, err := p.cmd.StdinPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatalf("starting %s: %v", a.Instance.Name, err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		p.Kill()
		held.Close()
		if t.Failed() {
			log := p.Log()
			t.Logf("end of the log of %s:\n%s", a.Instance.Name, log[max(0, len(log)-shown):])
		}
	})
	if err := servetest.Serving(t, p.Address, p.ended); err != nil {
		t.Fatalf("%v:\n%s", err, p.Log())
	}
	return p
}

// Write takes what the process says.
func (p *Process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.wrote)
	p.wrote = make(chan struct{})
	return p.log.Write(b)
}

// Log returns what the process has said.
func (p *Process) Log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// AwaitLog waits until the process has said one of the words.
func (p *Process) AwaitLog(words ...string) {
	p.t.Helper()
	limit := time.After(startLimit)
	for {
		p.mu.Lock()
		said, wrote := p.log.String(), p.wrote
		p.mu.Unlock()
		for _, w := range words {
			if strings.Contains(said, w) {
				return
			}
		}
		select {
		case <-wrote:
		case <-limit:
			p.t.Fatalf("the process never said any of %q", words)
		}
	}
}

// Kill ends the process at once, as kill -9 does, and waits until it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// Terminate asks the process to drain, and waits until it is gone.
func (p *Process) Terminate() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	<-p.ended
}

// Pause stops the process until [Process.Continue].
func (p *Process) Pause() { p.t.Helper(); p.signal(syscall.SIGSTOP) }

// Continue lets a paused process go on.
func (p *Process) Continue() { p.t.Helper(); p.signal(syscall.SIGCONT) }

func (p *Process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("sending %v: %v", s, err)
	}
}
