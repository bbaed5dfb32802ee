package checkout

import (
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

const (
	// resumed is how many sagas of others a replica drives at once: half of
	// what the bulkheads of its edges (32) let through, so that resuming after
	// an outage leaves as much for customers who are waiting now.
	resumed = 16
	// grace is how long the other replica may take what this one put down: two
	// looks of the usual half second.
	grace = time.Second
	// drainGrace lets running sagas finish when the replica is told to stop:
	// longer than an answer takes (two seconds), and short enough to put the
	// rest down before the service is cut off (five).
	drainGrace = 2500 * time.Millisecond
)

// resume takes over sagas whose owner is silent, until ctx is done.
func (d *driver) resume(ctx context.Context) {
	free := make(chan struct{}, resumed)
	for range resumed {
		free <- struct{}{}
	}
	tick := time.NewTicker(d.set.look)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		// As long as a look finds as many as it asked for, there are more.
		for n := len(free); n > 0 && ctx.Err() == nil; n = len(free) {
			if d.takeOver(ctx, free, n) < n {
				break
			}
		}
	}
}

// takeOver takes up to n sagas over and starts them. Each has a trace of its
// own that points back to the request which began it.
func (d *driver) takeOver(ctx context.Context, free chan struct{}, n int) int {
	// Draining does not cut the statement off: a saga taken by one whose answer
	// is lost would wait for a whole lease.
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), statement)
	defer cancel()
	until := time.Now().Add(d.set.lease)
	taken, err := d.store.takeOver(limit, d.owner, n, d.set.lease, grace)
	if err != nil {
		d.log.Warn("the saga log does not answer", "error", err)
		return 0
	}
	for _, s := range taken {
		d.log.Info("a saga is taken over", "order", s.order, "state", s.state, "step", s.step, "epoch", s.epoch, "age", s.age.String())
		<-free
		h := d.start(context.Background(), s, until, origin(s.trace)...)
		go func() {
			<-h.over
			free <- struct{}{}
		}()
	}
	return len(taken)
}

// keep renews the leases of the sagas that this replica drives. When ctx is
// done it sees to the end of them: they may finish, and what is left then is
// put down for the other replica.
func (d *driver) keep(ctx context.Context) {
	every := d.set.lease / 3 // it may fail twice before the lease is lost
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			d.renew(ctx, every)
		case <-ctx.Done():
			close(d.draining)
			d.drain(tick.C, every)
			return
		}
	}
}

func (d *driver) drain(tick <-chan time.Time, every time.Duration) {
	cut := time.NewTimer(drainGrace)
	defer cut.Stop()
	for {
		all := d.all()
		if len(all) == 0 && d.life.Err() != nil {
			return
		}
		if len(all) == 0 {
			d.end(errDraining) // one that begins now is put down at once
			continue
		}
		select {
		case <-all[0].over:
		case <-tick:
			d.renew(context.Background(), every)
		case <-cut.C:
			d.end(errDraining)
		}
	}
}

// renew renews what has not been renewed by a step meanwhile. A saga that is
// ours no more is stopped before it asks for anything else.
func (d *driver) renew(ctx context.Context, every time.Duration) {
	var due []*held
	var ids []string
	var epochs []int64
	for _, h := range d.all() {
		if h.left() < d.set.lease-every/2 {
			due, ids, epochs = append(due, h), append(ids, h.id), append(epochs, h.epoch)
		}
	}
	if len(due) == 0 {
		return
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(statement, every))
	defer cancel()
	until := time.Now().Add(d.set.lease)
	ours, err := d.store.renew(limit, ids, epochs, d.set.lease)
	if err != nil {
		d.log.Warn("leases were not renewed", "sagas", len(due), "error", err)
		return
	}
	for _, h := range due {
		if slices.Contains(ours, h.id) {
			h.extend(until)
		} else {
			h.cancel(errLost)
		}
	}
}

// traceparent names the request that begins a saga.
func traceparent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier.Get("traceparent")
}

// origin points to the request that began a saga.
func origin(traceparent string) []trace.Link {
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": traceparent})
	if c := trace.SpanContextFromContext(ctx); c.IsValid() {
		return []trace.Link{{SpanContext: c}}
	}
	return nil
}
