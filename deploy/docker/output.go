package docker

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"github.com/bedlamlab/bedlam/deploy/supervise"
)

// follow copies what a container has written since then, standard output and
// standard error, to w as it comes, and returns nil when the container's life
// has ended or ctx is done. For a life's whole output, since is a moment before
// its start: what the daemon takes for the start comes after the first words.
func (d *daemon) follow(ctx context.Context, id string, since time.Time, w io.Writer) error {
	o := client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Follow: true}
	if !since.IsZero() {
		o.Since = stamp(since)
	}
	if err := d.copyLogs(ctx, id, o, w); err != nil && ctx.Err() == nil {
		return fmt.Errorf("reading a container's output: %w", plain(err))
	}
	return nil
}

func (d *daemon) copyLogs(ctx context.Context, id string, o client.ContainerLogsOptions, w io.Writer) error {
	v, err := d.inspect(ctx, id)
	if err != nil {
		return err
	}
	logs, err := d.api.ContainerLogs(ctx, id, o)
	if err != nil {
		return err
	}
	defer logs.Close()
	if v.Terminal { // as it is; else in frames that say which output it is of
		_, err = io.Copy(w, logs)
	} else {
		_, err = stdcopy.StdCopy(w, w, logs)
	}
	return err
}

// stamp is a time as the daemon reads it.
func stamp(t time.Time) string { return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond()) }

// lastWords returns the last line that a container has written.
func (d *daemon) lastWords(ctx context.Context, id string) string {
	logs, err := d.api.ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Tail: "1"})
	if err != nil {
		return err.Error()
	}
	defer logs.Close()
	var text bytes.Buffer
	stdcopy.StdCopy(&text, &text, logs) // what there is of it is enough
	return string(bytes.TrimSpace(text.Bytes()))
}

// leaveTime bounds the end of a command whose input has ended: some ms, or as
// long as the kernel has it wait for a page of memory.
const leaveTime = 2 * time.Second

// A failure is how a command ended that did not succeed.
type failure struct {
	code  int
	words string // what it wrote
}

func (f failure) Error() string { return fmt.Sprintf("it ended with code %d: %s", f.code, f.words) }

// exec runs a command in a running container and waits for its end. It returns
// what it wrote, and an error if it could not be run or ended with another
// code than 0, which is a failure. When ctx is done, the command's standard input
// ends, which is all that a daemon can do to it: who heeds that is waited for, and
// who does not is left to itself.
func (d *daemon) exec(ctx context.Context, id string, command ...string) ([]byte, error) {
	made, err := d.api.ExecCreate(ctx, id, client.ExecCreateOptions{Cmd: command, AttachStdin: true, AttachStdout: true, AttachStderr: true})
	if err != nil {
		return nil, ranInside(ctx, command[0], err)
	}
	stream, err := d.api.ExecAttach(ctx, made.ID, client.ExecAttachOptions{})
	if err != nil {
		return nil, ranInside(ctx, command[0], err)
	}
	defer stream.Close()
	defer context.AfterFunc(ctx, func() { stream.Conn.Close() })()
	var out bytes.Buffer
	if _, err := stdcopy.StdCopy(&out, &out, stream.Reader); err != nil {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
		defer cancel()
		stream.Close()
		_ = d.ended(last, made.ID, command[0], nil) // what it says of its end matters to nobody any more
		return out.Bytes(), ranInside(ctx, command[0], err)
	}
	// The stream may end a moment before the daemon has the code.
	return out.Bytes(), d.ended(ctx, made.ID, command[0], out.Bytes())
}

// ended waits for the end of a command in a container, which has written words.
func (d *daemon) ended(ctx context.Context, exec, command string, words []byte) error {
	for {
		got, err := d.api.ExecInspect(ctx, exec, client.ExecInspectOptions{})
		switch {
		case err != nil:
			return ranInside(ctx, command, err)
		case got.Running:
		case got.ExitCode != 0:
			return ranInside(ctx, command, failure{got.ExitCode, string(bytes.TrimSpace(words))})
		default:
			return nil
		}
		if err := supervise.Sleep(ctx, glance); err != nil {
			return ranInside(ctx, command, err)
		}
	}
}

// ranInside says of which command in a container err is.
func ranInside(ctx context.Context, command string, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return fmt.Errorf("running %q in a container: %w", command, plain(err))
}
