package disk

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// word is what the process says when the disk is there.
const word = "ready\n"

// wordTime is how long a process that was told to end may hold on to its output.
const wordTime = time.Second

// Serve starts a process of the bedlam program at that path which serves the
// disk, and returns when it does. What is really there is kept. The process
// lives on when its parent dies, as the program whose disk it is: both end by
// SIGKILL. The channel is closed when it has ended.
func (d Disk) Serve(ctx context.Context, bedlam string) (<-chan struct{}, error) {
	fail := func(err error) (<-chan struct{}, error) {
		return nil, fmt.Errorf("serving the disk of %s: %w", d.Folder, err)
	}
	b, err := json.Marshal(d)
	if err != nil {
		return fail(err)
	}
	cmd := exec.Command(bedlam, "disk")
	cmd.Dir = filepath.Dir(d.Files) // within the scratch folder, where a sweep finds it
	cmd.Env = []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Stdin = bytes.NewReader(append(b, '\n'))
	said := &announcement{heard: make(chan struct{})}
	// Its complaints go to a file: it must not notice when we are killed.
	log, err := os.Create(filepath.Join(cmd.Dir, "log"))
	if err != nil {
		return fail(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = said, log
	cmd.WaitDelay = wordTime
	if err := cmd.Start(); err != nil {
		return fail(err)
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		close(ended)
	}()
	select {
	case <-said.heard:
		return ended, nil
	case <-ended:
		b, _ := os.ReadFile(log.Name())
		return fail(fmt.Errorf("its process ended (%s): %s", cmd.ProcessState, bytes.TrimSpace(b)))
	case <-ctx.Done():
		cmd.Process.Kill()
		<-ended
		return fail(context.Cause(ctx))
	}
}

// Plug makes sure that somebody serves the disk, and returns when it is so. The
// first time, and if who served it has died, lay is called before, which puts in
// place what is to be there: nobody has files there then. The channel is closed
// when who was started now has ended; it is nil if somebody was there already.
func (d Disk) Plug(ctx context.Context, bedlam string, lay func(context.Context) error) (<-chan struct{}, error) {
	if served, err := d.Served(ctx); err != nil || served {
		return nil, err
	}
	if err := Sweep(ctx, d.Folder); err != nil {
		return nil, err
	}
	if err := lay(ctx); err != nil {
		return nil, err
	}
	return d.Serve(ctx, bedlam)
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

// cached is how long the kernel may keep what it knows of names and attributes:
// nobody changes them but through it, as long as a disk lasts.
var cached = 24 * time.Hour

// pieces is the most that the kernel hands over at once, bytes: its own limit.
// A write of a database's is one operation, not several.
const pieces = 1 << 20

// Main is what `bedlam disk` runs: it mounts and serves the disk that its
// standard input names, and says a word when it does. It ends when the disk has
// been taken away, or ctx is done, which takes it away.
func Main(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	var d Disk
	if err := json.NewDecoder(stdin).Decode(&d); err != nil {
		return fmt.Errorf("reading which disk to serve: %w", err)
	}
	root, err := newRoot(d.Files)
	if err != nil {
		return err
	}
	syscall.Umask(0) // the caller's has been heeded by the kernel
	server, err := fs.Mount(d.Folder, root, &fs.Options{
		EntryTimeout: &cached, AttrTimeout: &cached, NegativeTimeout: &cached,
		NullPermissions: true,
		MountOptions: fuse.MountOptions{
			FsName: source, Name: source, DirectMountStrict: true,
			// Others than root have files there, and the kernel itself asks whether they may.
			AllowOther: true, Options: []string{"default_permissions"},
			MaxWrite: pieces, ExplicitDataCacheControl: true, IgnoreSecurityLabels: true,
			// Without this capability each write would ask for rights that no file
			// has; with the other one the kernel would pass by whoever is to do harm.
			ExtraCapabilities: fuse.CAP_HANDLE_KILLPRIV_V2, DisabledCapabilities: fuse.CAP_PASSTHROUGH,
		},
	})
	if err != nil {
		return fmt.Errorf("mounting %s: %w", d.Folder, err)
	}
	if _, err := io.WriteString(stdout, word); err != nil {
		return err
	}
	gone := make(chan struct{})
	go func() {
		server.Wait()
		close(gone)
	}()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
		return Sweep(context.WithoutCancel(ctx), d.Folder)
	}
}
