package checkout

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

const (
	// statement bounds one statement of a saga's own.
	statement = time.Second
	// stepLimit bounds one step: longer than all attempts of any edge together
	// (payment: twice a second and a pause), for runs in which those bounds are
	// switched off.
	stepLimit = 3 * time.Second
	// turn is how long a replica keeps a saga that fails. Then it puts it down
	// for the other one, whose way to the service may be open.
	turn = 2 * time.Second
	// firstPause is long enough for a refused dial to move to another instance;
	// lastPause keeps a thousand waiting sagas to about a thousand calls in
	// two seconds, and the wait after a recovery short.
	firstPause = 50 * time.Millisecond
	lastPause  = 2 * time.Second
)

// A driver takes sagas from step to step. There is one in each replica.
type driver struct {
	store postgres
	peers peers
	set   settings
	owner string // one life of one replica
	log   *slog.Logger

	life     context.Context // ends when draining must not wait any longer
	end      context.CancelCauseFunc
	draining chan struct{} // closed when draining begins

	mu    sync.Mutex
	holds map[string]*held // by saga
}

func newDriver(store postgres, p peers, set settings, owner string, log *slog.Logger) *driver {
	d := &driver{store: store, peers: p, set: set, owner: owner, log: log,
		draining: make(chan struct{}), holds: map[string]*held{}}
	d.life, d.end = context.WithCancelCause(context.Background())
	return d
}

// start drives a saga that this replica owns until the given time, in a
// goroutine of its own: neither the request that began it nor the customer who
// hangs up ends it. Of ctx only the trace is kept.
func (d *driver) start(ctx context.Context, s *saga, until time.Time, links ...trace.Link) *held {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	h := &held{id: s.id, epoch: s.epoch, cancel: cancel, until: until,
		decided: make(chan struct{}), over: make(chan struct{})}
	d.hold(h)
	go func() {
		defer d.drop(h)
		defer cancel(nil)
		defer context.AfterFunc(d.life, func() { cancel(context.Cause(d.life)) })()
		ctx, span := otel.Tracer("github.com/bedlamlab/bedlam/services/checkout").Start(ctx, "saga",
			trace.WithLinks(links...), trace.WithAttributes(attribute.String("shop.order", s.order), attribute.Int64("saga.epoch", s.epoch)))
		defer span.End()
		d.drive(ctx, h, s)
		span.SetAttributes(attribute.String("saga.state", s.state), attribute.String("saga.step", s.step))
		if s.failures > 0 {
			span.SetStatus(otelcodes.Error, "left at "+s.step)
		}
	}()
	return h
}

// drive goes on until the saga has ended, or this replica must or will let go
// of it. The row is always written before the effect is asked for that it
// names; so whatever ends this function, the row tells the next owner all that
// may have happened.
func (d *driver) drive(ctx context.Context, h *held, s *saga) {
	began := time.Now()
	begun := began.Add(-s.age)
	if s.decided() {
		h.settle(s)
	}
	for !s.ended() {
		if !d.mayAsk(ctx, h, s) {
			return
		}
		at := steps[s.step]
		late := at.hurried && time.Since(begun) > d.set.giveUp
		v := again
		var err error
		if !late {
			v, err = d.ask(ctx, at, s)
		}
		switch {
		case v == done, v != again && at.optional:
			s.state, s.step = at.state, at.next
		case late:
			d.turnBack(s, at, reasonTimeout, nil)
		case v == refused && at.undo != "":
			d.turnBack(s, at, at.reason, err)
		case v == wrong && at.undo != "":
			d.turnBack(s, at, reasonRejected, err)
		default:
			s.failures++
			if v != again {
				d.log.ErrorContext(ctx, "a step that cannot be undone is refused", "order", s.order, "step", s.step, "error", err)
			}
			if !d.patient(ctx, s, began) {
				d.letGo(ctx, s, err)
				return
			}
			continue
		}
		s.failures = 0
		if !d.write(ctx, h, s) {
			return
		}
		if s.decided() {
			h.settle(s)
		}
	}
}

// mayAsk reports whether the next effect may be asked for. If not, the saga
// has been left to others.
func (d *driver) mayAsk(ctx context.Context, h *held, s *saga) bool {
	if ctx.Err() != nil {
		d.letGo(ctx, s, context.Cause(ctx))
		return false
	}
	if h.left() <= 0 {
		// We were paused, or the store was away: somebody else may be driving
		// by now. Nothing is written, for the lease has run out by itself.
		d.log.Warn("a lease ran out", "order", s.order, "step", s.step, "epoch", s.epoch)
		return false
	}
	return true
}

func (d *driver) ask(ctx context.Context, at step, s *saga) (verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	err := at.ask(d.peers, ctx, s)
	return judge(err), err
}

// turnBack begins the compensation. Steps that were not reached have nothing
// to undo.
func (d *driver) turnBack(s *saga, at step, reason string, err error) {
	d.log.Info("a checkout is undone", "order", s.order, "step", s.step, "reason", reason, "error", err)
	s.state, s.step, s.reason = compensating, at.undo, reason
}

// write writes where the saga stands now, and reports whether this replica may
// go on. While the store does not answer it tries again for as long as the
// lease holds: the same write twice is the same.
func (d *driver) write(ctx context.Context, h *held, s *saga) bool {
	for failures := 1; ; failures++ {
		sent := time.Now()
		// What has just happened is written down also while draining.
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), statement)
		ours, err := d.store.move(limit, s, d.set.lease)
		cancel()
		switch {
		case err == nil && ours:
			h.extend(sent.Add(d.set.lease))
			return true
		case err == nil:
			d.fenced(s)
			return false
		case h.left() <= 0 || ctx.Err() != nil:
			d.log.Warn("a saga is left to its next owner", "order", s.order, "error", err)
			return false
		}
		rest(ctx, nil, pause(failures))
	}
}

// fenced says that a write was refused because the saga has a later epoch.
func (d *driver) fenced(s *saga) {
	d.log.Warn("fenced: the saga has another owner", "order", s.order, "step", s.step, "epoch", s.epoch)
}

// patient waits before the step is asked again, or reports that it is time to
// put the saga down instead.
func (d *driver) patient(ctx context.Context, s *saga, began time.Time) bool {
	wait := pause(s.failures)
	if ctx.Err() != nil || time.Since(began)+wait > turn {
		return false
	}
	return rest(ctx, d.draining, wait)
}

// letGo puts the saga down: at once while draining, so that the other replica
// goes on without waiting for the lease, else after a pause.
func (d *driver) letGo(ctx context.Context, s *saga, err error) {
	wait := pause(s.failures)
	select {
	case <-d.draining:
		wait = 0
	default:
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), statement)
	defer cancel()
	switch ours, failed := d.store.putDown(limit, s, wait); {
	case failed != nil:
		d.log.Warn("a saga could not be put down, its lease runs out by itself", "order", s.order, "error", failed, "why", err)
	case !ours:
		d.fenced(s)
	default:
		d.log.Info("a saga is put down", "order", s.order, "step", s.step, "failures", s.failures, "for", wait.String(), "error", err)
	}
}

// pause is the back-off after so many failures; half of it is drawn, so that
// the sagas of an outage do not come back in step.
func pause(failures int) time.Duration {
	d := min(firstPause<<min(max(failures-1, 0), 16), lastPause)
	return d/2 + rand.N(d/2)
}

// rest waits; it reports false if it was cut short.
func rest(ctx context.Context, cut <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-cut:
	case <-ctx.Done():
	}
	return false
}
