package orders

import (
	"context"

	"go.opentelemetry.io/otel/propagation"

	"github.com/bedlamlab/bedlam/services/internal/answer"
	"github.com/bedlamlab/bedlam/services/orders/orderspb"
)

// server answers over gRPC; nothing is decided here.
type server struct {
	orderspb.UnimplementedOrdersServer
	store postgres
	wake  chan<- struct{} // tells the publisher that there is an event
}

// Create implements [orderspb.OrdersServer]. FAILED_PRECONDITION: the order or
// the key is there with another content.
func (s *server) Create(ctx context.Context, r *orderspb.CreateRequest) (*orderspb.Order, error) {
	if err := validate(r); err != nil {
		return nil, err
	}
	return s.store.create(ctx, r)
}

// MarkPaid implements [orderspb.OrdersServer]. FAILED_PRECONDITION: the order
// was cancelled. NOT_FOUND: there is none.
func (s *server) MarkPaid(ctx context.Context, r *orderspb.MarkRequest) (*orderspb.Order, error) {
	if err := answer.Text("order", r.GetOrder()); err != nil {
		return nil, err
	}
	o, err := s.store.pay(ctx, r.GetOrder(), traceparent(ctx))
	if err != nil {
		return nil, err
	}
	select {
	case s.wake <- struct{}{}:
	default: // it has been told already
	}
	return o, nil
}

// Cancel implements [orderspb.OrdersServer]. FAILED_PRECONDITION: the order is
// paid. NOT_FOUND: there is none.
func (s *server) Cancel(ctx context.Context, r *orderspb.CancelRequest) (*orderspb.Order, error) {
	if err := answer.Text("order", r.GetOrder()); err != nil {
		return nil, err
	}
	if err := answer.Text("reason", r.GetReason()); err != nil {
		return nil, err
	}
	return s.store.cancel(ctx, r.GetOrder(), r.GetReason())
}

// Get implements [orderspb.OrdersServer].
func (s *server) Get(ctx context.Context, r *orderspb.GetRequest) (*orderspb.Order, error) {
	if err := answer.Text("order", r.GetOrder()); err != nil {
		return nil, err
	}
	return s.store.get(ctx, r.GetOrder())
}

// traceparent names the request, so that the delivery of its event, which has a
// trace of its own, can point back to it.
func traceparent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier.Get("traceparent")
}
