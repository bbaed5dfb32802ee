package docker

import (
	"context"
	"errors"
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
)

// A body is an instance's container, which is made once and started for each
// of its lives.
type body struct {
	*machine
	instance string
	spec     func() (spec, error)
	input    func() ([]byte, error)      // for each life's standard input; nil: none
	before   func(context.Context) error // each life; nil: nothing
	slots    chan struct{}               // taken while the daemon makes or starts

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
	if b.before != nil {
		if err := b.before(ctx); err != nil {
			return nil, err
		}
	}
	began := time.Now()
	if err := b.launch(ctx, id); err != nil {
		return nil, err
	}
	v, err := b.daemon.inspect(ctx, id)
	if err == nil { // before it is told to anybody that it is there
		err = b.plane.Started(ctx, b.alive(b.instance, v))
	}
	if err != nil {
		return nil, errors.Join(err, b.daemon.kill(ctx, id, syscall.SIGKILL))
	}
	return b.daemon.attend(v, began, log, func() bool { return b.exhausted(b.instance, v) }), nil
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
