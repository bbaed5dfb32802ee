package orders

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/shipping/shippingpb"
)

const (
	// floor is how often a publisher looks without being woken: for events of
	// a replica that died, and for those whose lease has run out.
	floor = 200 * time.Millisecond
	// slots is how many events are under way at once: what the bulkhead of the
	// edge to shipping lets through. At a few milliseconds each they empty a
	// backlog of a thousand orders in a second or two.
	slots = 8
	// delivery bounds one delivery: four times the timeout of the edge, for
	// runs in which that is switched off.
	delivery = 2 * time.Second
	// statement bounds one statement of the publisher's own.
	statement = time.Second
	// lease outlives a delivery and its settling with a statement to spare.
	lease = delivery + 2*statement
	// firstPause and lastPause bracket the pauses while shipping does not
	// answer; the last one is how late its recovery is noticed at worst.
	firstPause = 50 * time.Millisecond
	lastPause  = time.Second
	// lastRefusal is the longest wait for an event that shipping refuses for
	// what it is: only a new release of either side will change that.
	lastRefusal = 30 * time.Second
)

// A publisher brings events from the outbox to shipping. One runs in each
// replica; neither needs the other.
//
//	wake, floor ─▶ take (lease) ─▶ Deliver ─▶ acknowledged: published, order SHIPPED
//	                                     └──▶ failed: put off
//
// One that dies after Deliver leaves the event in its lease; then it is
// delivered again, and shipping's inbox knows it.
type publisher struct {
	outbox   outbox
	shipping shippingpb.ShippingClient
	log      *slog.Logger
	wake     <-chan struct{}

	failures atomic.Int32 // deliveries in a row that shipping did not answer
}

// run publishes until ctx is done and what is under way has been settled.
func (p *publisher) run(ctx context.Context) {
	free := make(chan struct{}, slots)
	for range slots {
		free <- struct{}{}
	}
	var under sync.WaitGroup
	defer under.Wait()
	for ctx.Err() == nil {
		n := p.grab(ctx, free)
		events := p.take(ctx, n)
		for range n - len(events) {
			free <- struct{}{}
		}
		for _, e := range events {
			under.Go(func() {
				defer func() { free <- struct{}{} }()
				// What has begun is finished, also while draining: it is
				// bounded by a delivery and one statement.
				p.publish(context.WithoutCancel(ctx), e)
			})
		}
		if wait := p.pause(); wait > 0 {
			sleep(ctx, nil, wait)
		} else if len(events) < n || n == 0 {
			sleep(ctx, p.wake, floor)
		}
	}
}

// grab waits for a free slot and takes those that are free; only one while
// shipping does not answer, which is then a question whether it does again.
func (p *publisher) grab(ctx context.Context, free <-chan struct{}) int {
	select {
	case <-free:
	case <-ctx.Done():
		return 0
	}
	for n := 1; ; n++ {
		if n == slots || p.failures.Load() > 0 {
			return n
		}
		select {
		case <-free:
		default:
			return n
		}
	}
}

func (p *publisher) take(ctx context.Context, n int) []event {
	if n == 0 {
		return nil
	}
	// Not cut off by draining: an event that was taken by a statement whose
	// answer is lost would wait for its lease to run out.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), statement)
	defer cancel()
	events, err := p.outbox.take(ctx, n, lease)
	if err != nil {
		p.log.Warn("the outbox does not answer", "error", err)
	}
	return events
}

// publish delivers one event and settles it.
func (p *publisher) publish(ctx context.Context, e event) {
	ctx, span := otel.Tracer("github.com/bedlamlab/bedlam/services/orders").Start(ctx, "publish "+e.Kind,
		trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindProducer), trace.WithLinks(origin(e.Trace)...),
		trace.WithAttributes(attribute.String("shop.order", e.Order), attribute.Int("outbox.attempt", e.Attempts)))
	defer span.End()
	err := p.deliver(ctx, e)
	if err != nil {
		span.SetStatus(otelcodes.Error, err.Error())
	}
	settle, cancel := context.WithTimeout(ctx, statement)
	defer cancel()
	if err == nil {
		err = p.outbox.shipped(settle, e.ID)
	} else {
		err = p.outbox.putOff(settle, e.ID, p.next(err, e))
	}
	if err != nil {
		// The lease runs out, and then the event is tried again.
		p.log.Warn("an event was not settled", "event", e.ID, "error", err)
	}
}

func (p *publisher) deliver(ctx context.Context, e event) error {
	ctx, cancel := context.WithTimeout(ctx, delivery)
	defer cancel()
	_, err := p.shipping.Deliver(ctx, &shippingpb.DeliverRequest{
		Event: e.ID, Order: e.Order, Type: e.Kind, Payload: e.Payload,
	})
	if err == nil || refused(err) {
		if was := p.failures.Swap(0); was > 0 {
			p.log.Info("shipping answers again", "failures", was)
		}
	} else if p.failures.Add(1) == 1 {
		p.log.Warn("shipping does not answer", "event", e.ID, "error", err)
	}
	return err
}

// refused reports whether shipping has answered, and does not want this event.
func refused(err error) bool {
	switch status.Code(err) {
	case codes.InvalidArgument, codes.FailedPrecondition, codes.NotFound, codes.AlreadyExists, codes.OutOfRange:
		return true
	}
	return false
}

// next is how long a failed event waits. If shipping did not answer, the
// publisher paces itself and the event may go to the other replica; if it
// refused this one event, the event waits so that others can pass.
func (p *publisher) next(err error, e event) time.Duration {
	if !refused(err) {
		return firstPause
	}
	p.log.Error("shipping refuses an event", "event", e.ID, "attempts", e.Attempts, "error", err)
	return min(floor<<min(e.Attempts, 16), lastRefusal)
}

// pause is how long the publisher holds back, doubling with every failure in a
// row; half of it is drawn, so that two replicas do not ask in step.
func (p *publisher) pause() time.Duration {
	n := p.failures.Load()
	if n == 0 {
		return 0
	}
	d := min(firstPause<<min(n, 16), lastPause)
	return d/2 + rand.N(d/2)
}

// origin points to the request that wrote an event.
func origin(traceparent string) []trace.Link {
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": traceparent})
	if c := trace.SpanContextFromContext(ctx); c.IsValid() {
		return []trace.Link{{SpanContext: c}}
	}
	return nil
}

// sleep waits until it is woken, the time is up, or ctx is done.
func sleep(ctx context.Context, wake <-chan struct{}, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-wake:
	case <-t.C:
	case <-ctx.Done():
	}
}
