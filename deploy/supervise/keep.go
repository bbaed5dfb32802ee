package supervise

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

const (
	// firstPause is before the first restart, doubled for each further one up
	// to lastPause: a process that cannot live must not eat the machine, and
	// an experiment of a few seconds must see a crashed one come back.
	firstPause = 1 * time.Second
	lastPause  = 8 * time.Second
	// calm is how long an instance must have been ready for its next end to
	// count as a first one: longer than the longest pause, so that what dies
	// as soon as it is ready does not look healthy between two pauses.
	calm = 10 * time.Second
	// heldEvery is how often a held instance's mark is looked for, since
	// another process may remove it.
	heldEvery = 50 * time.Millisecond
	// lastHope is how many of its lives may end before it was ever ready; then
	// it will not come up.
	lastHope = 3
)

// keep keeps u running until ctx is done and its life, which is not keep's to
// end, has ended.
func (u *unit) keep(ctx context.Context) {
	defer close(u.ended)
	pause := u.first
	for deaths := 1; ; deaths++ {
		if !u.free(ctx) {
			return
		}
		l, err := u.begin(ctx)
		var readyFor time.Duration
		gone := time.Now()
		if err == nil {
			kind := "started"
			if f, ok := l.Life.(interface{ Found() bool }); ok && f.Found() {
				kind = "found" // it lived before we came, or somebody was quicker
			}
			u.tell(kind, u.name, fmt.Sprintf("start %d, pid %d", l.start, l.id.PID))
			readyFor, err = u.attend(ctx, l)
			gone = l.left
		}
		if ctx.Err() != nil {
			return
		}
		u.tell("exited", u.name, err.Error())
		if deaths >= lastHope || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) { // a program that is not there does not come
			u.despair(err)
		}
		if readyFor > calm {
			pause = u.first
		}
		if !u.files.held(u.name) {
			u.tell("restarting", u.name, "in "+pause.String())
		}
		u.rest(ctx, pause-time.Since(gone)) // to clear a life away is part of the pause
		pause = min(max(2*pause, firstPause), lastPause)
	}
}

// free waits while u is held; it is false when ctx is done.
func (u *unit) free(ctx context.Context) bool {
	for u.files.held(u.name) {
		u.rest(ctx, heldEvery)
		if ctx.Err() != nil {
			return false
		}
	}
	return ctx.Err() == nil
}

// rest pauses for d, or until u is woken or ctx is done.
func (u *unit) rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-u.wake:
	case <-t.C:
	}
}

// attend watches one life to its end. It returns for how long u was ready, and
// in words why it ended.
func (u *unit) attend(ctx context.Context, l *span) (readyFor time.Duration, why error) {
	defer close(l.gone)
	watching, stop := context.WithCancel(ctx)
	ready := make(chan time.Time, 1)
	go func() {
		defer close(ready)
		if err := u.welcome(watching); err == nil {
			ready <- time.Now()
			l.ready.Store(true)
			u.tell("ready", u.name, fmt.Sprintf("start %d", l.start))
			select {
			case <-u.born:
			default:
				close(u.born)
			}
		}
	}()
	l.Wait()
	l.left = time.Now()
	stop()
	if since, ok := <-ready; ok { // and nobody says any more that it is up
		readyFor = time.Since(since)
		<-ready
	}
	// Not ctx: also at the end of the run nothing of it may stay.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), u.endTime)
	defer cancel()
	if u.opened != nil {
		u.opened(last, false)
	}
	err := u.finish(last, l)
	if why = l.Why(); err != nil {
		why = fmt.Errorf("%w; %w", why, err)
	}
	return readyFor, why
}

// welcome waits until u accepts connections, says so, and until it is healthy.
func (u *unit) welcome(ctx context.Context) error {
	for u.address != "" && !accepts(ctx, u.address) {
		if err := Sleep(ctx, askEvery); err != nil {
			return err
		}
	}
	if u.opened != nil {
		u.opened(ctx, true)
	}
	if u.equip != nil {
		if err := u.equip(ctx); err != nil {
			u.despair(err)
			return err
		}
		u.equip = nil
	}
	c, err := u.examine()
	if err != nil {
		u.despair(err)
		return err
	}
	defer c.close()
	for c.once(ctx) != nil {
		if err := Sleep(ctx, askEvery); err != nil {
			return err
		}
	}
	if u.readied != nil {
		u.readied(ctx)
	}
	return ctx.Err()
}
