package fault

import (
	"context"
	"reflect"
	"sync"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
)

// Some harms last only as long as somebody keeps doing them. Such a vigil is
// kept by the process that injected the fault and ends with it, however that
// ends: nothing of it is on a disk, and a lift in another process finds none.
// A process that was frozen, and perhaps lifted by its guard meanwhile, goes on
// with nothing: a vigil that finds that it has slept through a lease ends.

// lease is a run's own: who has slept through one may have been lifted by the
// guard.
const lease = 5 * time.Second

// awake is the longest that a vigil may be away for: a lease, less what may have
// passed of it before the process froze. A busy machine is late by far less.
const awake = lease - renewEvery

// renewEvery is how often a vigil says that it is there, to a server that keeps
// a lease of its own or to itself: several times within the lease.
const renewEvery = lease / 5

// vigils are those that this process keeps. They are found by the fault's ID
// and its system, so that a fault that was built again lifts them as well.
var vigils = struct {
	sync.Mutex
	on map[post]vigil
}{on: map[post]vigil{}}

// A post is where a vigil is kept.
type post struct {
	id     string
	system deploy.System
}

type vigil struct {
	stop  context.CancelFunc
	ended chan struct{}
}

// at returns the post of a fault. The system is the innermost, which is the
// same through all wrappers.
func at(id string, s deploy.System) post {
	for {
		w, ok := s.(interface{ Unwrap() deploy.System })
		if !ok || w.Unwrap() == nil {
			break
		}
		s = w.Unwrap()
	}
	if !reflect.TypeOf(s).Comparable() {
		s = nil // its faults are told apart by their IDs alone
	}
	return post{id, s}
}

// watch keeps a vigil until [dismiss] is called: keep must return soon after
// its context is done. The context has the values of ctx, but not its end. The
// watchman is on duty from now on: a process may be frozen before keep begins.
func watch(ctx context.Context, id string, s deploy.System, keep func(context.Context, watchman)) {
	dismiss(id, s)
	v, w := vigil{ended: make(chan struct{})}, onDuty()
	ctx, v.stop = context.WithCancel(context.WithoutCancel(ctx))
	vigils.Lock()
	vigils.on[at(id, s)] = v
	vigils.Unlock()
	go func() {
		defer close(v.ended)
		keep(ctx, w)
	}()
}

// dismiss ends a vigil and returns when it has ended. Where there is none it
// does nothing.
func dismiss(id string, s deploy.System) {
	vigils.Lock()
	v, ok := vigils.on[at(id, s)]
	delete(vigils.on, at(id, s))
	vigils.Unlock()
	if ok {
		v.stop()
		<-v.ended
	}
}

// A turn is over well before who takes it could have been away for too long: a
// slow server is not taken for a sleep.
const turn = awake - renewEvery

// A watchman knows by his watch when he has slept: from one look at it to the
// next, none of his time is left out.
type watchman struct{ last time.Time }

func onDuty() watchman { return watchman{time.Now()} }

// slept looks at the watch.
func (w *watchman) slept() bool {
	now := time.Now()
	away := now.Sub(w.last)
	w.last = now
	return away > awake
}

// every calls do again and again, with a pause of d after each, until ctx is
// done or it finds that it has slept. The context of a round ends when what it
// has seen is too old to act on.
func (w *watchman) every(ctx context.Context, d time.Duration, do func(context.Context)) {
	for {
		within, cancel := context.WithDeadline(ctx, w.last.Add(turn))
		do(within)
		cancel()
		if w.slept() || !w.rest(ctx, d) {
			return
		}
	}
}

// rest waits for d; it is false if ctx is done or the wait was slept through.
func (w *watchman) rest(ctx context.Context, d time.Duration) bool {
	for until := w.last.Add(d); ; {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(min(renewEvery, until.Sub(w.last))):
		}
		if w.slept() {
			return false
		}
		if !w.last.Before(until) {
			return true
		}
	}
}

// overslept reports whether the time of a round is over. Who acts on what it
// has seen asks right before it acts.
func overslept(round context.Context) bool {
	until, ok := round.Deadline()
	return round.Err() != nil || ok && time.Now().After(until)
}
