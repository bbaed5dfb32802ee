package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"github.com/bedlamlab/bedlam/deploy/impair"
)

// impairing is the command that harms the instance in whose namespaces it runs.
var impairing = []string{"/bedlam", "impair"}

// A line is a talk with a process in a container. It ends when the line is
// closed, or this process has died: the daemon closes its standard input then.
type line struct {
	*impair.Talk
	stream client.HijackedResponse
	out    *io.PipeReader
	heard  chan struct{} // closed when it says nothing more

	mu        sync.Mutex
	complaint bytes.Buffer
}

// newLine follows what comes over a stream of the daemon's.
func newLine(stream client.HijackedResponse) *line {
	l := &line{stream: stream, heard: make(chan struct{})}
	out, in := io.Pipe()
	l.out, l.Talk = out, impair.NewTalk(stream.Conn, out)
	go func() {
		defer close(l.heard)
		_, err := stdcopy.StdCopy(in, complaints{l}, stream.Reader)
		in.CloseWithError(err)
	}()
	return l
}

// complaints are what a process writes to its standard error.
type complaints struct{ *line }

func (c complaints) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.complaint.Write(b)
}

// close ends the line, and with it what the process has at its other end.
func (l *line) close() {
	l.stream.Close()
	l.out.Close()
	<-l.heard
}

// say calls do, which talks, as long as ctx lasts. Of a process that ends in the
// middle, what it complained of says why.
func (l *line) say(ctx context.Context, do func(*impair.Talk) error) error {
	stop := context.AfterFunc(ctx, func() { l.stream.Conn.Close() })
	defer stop()
	err := do(l.Talk)
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case !errors.Is(err, io.EOF):
		return err
	}
	<-l.heard
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Errorf("%w: %s", err, bytes.TrimSpace(l.complaint.Bytes()))
}

// callMain starts a container and talks to its first process.
func (d *daemon) callMain(ctx context.Context, id string) (*line, error) {
	stream, err := d.api.ContainerAttach(ctx, id, client.ContainerAttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	if err != nil {
		return nil, fmt.Errorf("attaching to a container: %w", plain(err))
	}
	l := newLine(stream.HijackedResponse)
	if err := d.start(ctx, id); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// callBeside starts the command in a running container, as the account that the
// container has and with no right besides, and talks to it.
func (d *daemon) callBeside(ctx context.Context, id string) (*line, error) {
	fail := func(err error) (*line, error) { return nil, ranInside(ctx, impairing[0], err) }
	made, err := d.api.ExecCreate(ctx, id, client.ExecCreateOptions{Cmd: impairing, AttachStdin: true, AttachStdout: true, AttachStderr: true})
	if err != nil {
		return fail(err)
	}
	stream, err := d.api.ExecAttach(ctx, made.ID, client.ExecAttachOptions{})
	if err != nil {
		return fail(err)
	}
	return newLine(stream.HijackedResponse), nil
}
