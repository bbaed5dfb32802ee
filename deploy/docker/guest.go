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

// A guest is an instance's container that somebody else made. A life of it is
// found if it lives, and begun if not.
type guest struct {
	*guests
	instance string
}

// Prepare implements [supervise.Body]: a container that has lost its owner's
// consent is left as it is.
func (g *guest) Prepare(ctx context.Context) error {
	_, err := g.consented(ctx, g.instance)
	return err
}

// Start implements [supervise.Body].
func (g *guest) Start(ctx context.Context, log *os.File) (supervise.Life, error) {
	// A start that was given up may still be done, behind everybody's back.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), makeTime)
	defer cancel()
	began := time.Now()
	v, err := g.consented(ctx, g.instance)
	if err != nil {
		return nil, err
	}
	found := v.Running || v.Restart
	if !found {
		err = g.daemon.start(ctx, v.ID)
	}
	for again := true; again && err == nil; again = v.Restart { // somebody else is about to start it
		if v, err = g.daemon.inspect(ctx, v.ID); v.Restart {
			err = errors.Join(err, supervise.Sleep(ctx, glance))
		}
	}
	if err != nil {
		return nil, err
	}
	return &visit{life: g.daemon.attend(v, began, log, func() bool { return false }), seen: v, found: found, left: make(chan struct{})}, nil
}

// A visit is a life of a container that is not ours to end.
type visit struct {
	*life
	seen  view
	found bool
	once  sync.Once
	left  chan struct{} // closed when it is let go of

	reason error // read it after End
}

// Found reports whether it lived already.
func (v *visit) Found() bool { return v.found }

// Wait implements [supervise.Life].
func (v *visit) Wait() {
	select {
	case <-v.died:
	case <-v.ended:
	case <-v.left:
	}
}

// Ask implements [supervise.Life].
func (v *visit) Ask(context.Context, syscall.Signal) {}

// End implements [supervise.Life]: it lets go. Of a life that is over, it
// waits for the daemon's word.
func (v *visit) End(ctx context.Context) (err error) {
	v.once.Do(func() { err = v.end(ctx) })
	return err
}

func (v *visit) end(ctx context.Context) (err error) {
	v.reason = errEnded
	if v.isOver() {
		if err = v.daemon.over(ctx, v.seen); err == nil {
			v.reason = v.ask(ctx)
		}
		v.hearOut(ctx)
	}
	close(v.left)
	v.deafen()
	<-v.heard
	<-v.ended
	return err
}

func (v *visit) isOver() bool {
	select {
	case <-v.died:
		return true
	case <-v.ended:
		return true
	default:
		return false
	}
}

// Why implements [supervise.Life].
func (v *visit) Why() error { return v.reason }

// ask asks the daemon why a life that is over has ended. It says so of the last
// one only: somebody else may have begun another.
func (v *visit) ask(ctx context.Context) error {
	now, err := v.daemon.inspect(ctx, v.container)
	switch {
	case errors.Is(err, errUnknown):
		return errors.New("its container was removed")
	case err != nil || now.Running:
		return errEnded
	}
	oom, _ := v.daemon.oomKilled(ctx, now) // or the daemon has forgotten
	return exit{Code: now.ExitCode, OOMKilled: oom}
}
