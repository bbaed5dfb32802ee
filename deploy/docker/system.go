package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/bedlamlab/bedlam/deploy/supervise"
)

const (
	// busy is how many containers are made or started at once: both are mostly
	// work of the daemon and the kernel, which more only queue up before.
	busy = 8
	// makeTime bounds the making or the start of one container, which take
	// some 100 ms. It is not the caller's patience that does: a request that
	// was given up may still be done, behind everybody's back.
	makeTime = 30 * time.Second
	// lastWords is how long the end of a container's output may take to come
	// after its end.
	lastWords = time.Second
)

// A body is an instance's container, which is made once and started for each
// of its lives.
type body struct {
	*machine
	instance string
	spec     func() (spec, error)
	input    func() ([]byte, error) // for each life's standard input; nil: none
	slots    chan struct{}          // taken while the daemon makes or starts

	making sync.Mutex
	made   bool
}

// Prepare implements [supervise.Body]: it makes the container, unless it has
// been made before.
func (b *body) Prepare(ctx context.Context) error {
	b.making.Lock()
	defer b.making.Unlock()
	if b.made {
		return nil
	}
	return b.busy(ctx, func(ctx context.Context) error {
		s, err := b.spec()
		if err == nil {
			_, err = b.daemon.create(ctx, s)
		}
		b.made = err == nil
		return err
	})
}

// busy calls do when the daemon has time for it, but not when ctx is done.
func (b *body) busy(ctx context.Context, do func(context.Context) error) error {
	select {
	case b.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-b.slots }()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), makeTime)
	defer cancel()
	return do(ctx)
}

// Start implements [supervise.Body].
func (b *body) Start(ctx context.Context, log *os.File) (supervise.Life, error) {
	var l *life
	err := b.busy(ctx, func(ctx context.Context) (err error) {
		l, err = b.start(ctx, log)
		return err
	})
	if err != nil {
		return nil, err
	}
	return l, nil
}

func (b *body) start(ctx context.Context, log *os.File) (*life, error) {
	id := b.container(b.instance)
	began := time.Now()
	if err := b.launch(ctx, id); err != nil {
		return nil, err
	}
	v, err := b.daemon.inspect(ctx, id)
	if err != nil {
		return nil, errors.Join(err, b.daemon.kill(ctx, id, syscall.SIGKILL))
	}
	l := &life{daemon: b.daemon, container: id, id: supervise.Identity{PID: v.PID, Start: uint64(v.Started.UnixNano())}, heard: make(chan struct{})}
	l.exhausted = func() bool {
		at, ok := b.exhausted.Load(b.instance)
		return ok && v.Started.Equal(at.(time.Time))
	}
	var hear context.Context
	hear, l.deafen = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(l.heard)
		if err := b.daemon.follow(hear, id, began, log); err != nil {
			fmt.Fprintln(log, "bedlam:", err)
		}
	}()
	return l, nil
}

func (b *body) launch(ctx context.Context, id string) error {
	if b.input == nil {
		return b.daemon.start(ctx, id)
	}
	text, err := b.input()
	if err != nil {
		return err
	}
	return b.daemon.startWith(ctx, id, text)
}

// A life is a container from a start to its next end.
type life struct {
	daemon    *daemon
	container string
	id        supervise.Identity
	heard     chan struct{} // closed when its output has come to its end
	deafen    func()        // ends that
	exhausted func() bool   // exhaust has been at work on it
}

// Identity implements [supervise.Life].
func (l *life) Identity() supervise.Identity { return l.id }

// Wait implements [supervise.Life]. A daemon that does not answer is asked
// again: it is no sign of the container's end.
func (l *life) Wait() error {
	for {
		e, err := l.daemon.wait(context.Background(), l.container)
		switch {
		case errors.Is(err, errUnknown):
			return errors.New("its container was removed")
		case err == nil:
			return l.settle(e)
		}
		time.Sleep(glance)
	}
}

// Error says how a life ended, as os.ProcessState does of a process.
func (e exit) Error() string {
	switch {
	case e.OOMKilled:
		return "signal: killed (out of memory)"
	case e.Code > 128:
		return "signal: " + syscall.Signal(e.Code-128).String()
	}
	return fmt.Sprintf("exit status %d", e.Code)
}

// Ask implements [supervise.Life].
func (l *life) Ask(ctx context.Context, sig syscall.Signal) {
	l.daemon.kill(ctx, l.container, sig)
	l.daemon.unpause(ctx, l.container)
}

// End implements [supervise.Life].
func (l *life) End(ctx context.Context) error {
	err := gone(l.daemon.kill(ctx, l.container, syscall.SIGKILL))
	if errors.Is(err, supervise.ErrGone) {
		err = nil
	}
	select {
	case <-l.heard:
	case <-time.After(lastWords):
	case <-ctx.Done():
	}
	l.deafen()
	<-l.heard
	return err
}
