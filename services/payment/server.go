package payment

import (
	"context"

	"github.com/bedlamlab/bedlam/services/payment/paymentpb"
)

// Server is the service behind gRPC.
type Server struct {
	paymentpb.UnimplementedPaymentServer
	service *Service
}

// NewServer returns a server that answers for s.
func NewServer(s *Service) *Server { return &Server{service: s} }

// Capture implements [paymentpb.PaymentServer].
func (s *Server) Capture(ctx context.Context, r *paymentpb.CaptureRequest) (*paymentpb.Charge, error) {
	return reply(s.service.Capture(ctx, Capture{
		Key: r.GetKey(), Order: r.GetOrder(), Amount: r.GetAmount(), Currency: r.GetCurrency(), Card: r.GetCard(),
	}))
}

// Refund implements [paymentpb.PaymentServer].
func (s *Server) Refund(ctx context.Context, r *paymentpb.RefundRequest) (*paymentpb.Charge, error) {
	return reply(s.service.Refund(ctx, r.GetKey(), r.GetOrder()))
}

// Get implements [paymentpb.PaymentServer].
func (s *Server) Get(ctx context.Context, r *paymentpb.GetRequest) (*paymentpb.Charge, error) {
	return reply(s.service.Get(ctx, r.GetKey()))
}

func reply(c Charge, err error) (*paymentpb.Charge, error) {
	if err != nil {
		return nil, err
	}
	return &paymentpb.Charge{Key: c.Key, Order: c.Order, Amount: c.Amount, State: string(c.State), BankReference: c.BankReference}, nil
}
