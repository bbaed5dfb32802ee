package shipping

import (
	"context"

	"github.com/bedlamlab/bedlam/services/shipping/shippingpb"
)

// server answers over gRPC; nothing is decided here.
type server struct {
	shippingpb.UnimplementedShippingServer
	store postgres
}

// Deliver implements [shippingpb.ShippingServer]. FAILED_PRECONDITION: the id
// stands for another event.
func (s *server) Deliver(ctx context.Context, r *shippingpb.DeliverRequest) (*shippingpb.DeliverResponse, error) {
	e := event{id: r.GetEvent(), order: r.GetOrder(), kind: r.GetType(), payload: r.GetPayload()}
	if err := e.validate(); err != nil {
		return nil, err
	}
	shipment, repeated, err := s.store.deliver(ctx, e)
	if err != nil {
		return nil, err
	}
	return &shippingpb.DeliverResponse{Shipment: shipment, RepeatedEvent: repeated}, nil
}
