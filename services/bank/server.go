package bank

import (
	"context"

	"github.com/bedlamlab/bedlam/services/bank/bankpb"
)

// Server is the bank behind gRPC.
type Server struct {
	bankpb.UnimplementedBankServer
	ledger   *Ledger
	capacity *Capacity
}

// NewServer returns a server that books in l as fast as c allows.
func NewServer(l *Ledger, c *Capacity) *Server { return &Server{ledger: l, capacity: c} }

// Charge implements [bankpb.BankServer].
func (s *Server) Charge(ctx context.Context, r *bankpb.ChargeRequest) (*bankpb.Transaction, error) {
	c := Charge{Key: r.GetKey(), Reference: r.GetReference(), Amount: r.GetAmount(), Currency: r.GetCurrency(), Card: r.GetCard()}
	return s.do(ctx, func() (Transaction, error) { return s.ledger.Charge(ctx, c) })
}

// Refund implements [bankpb.BankServer].
func (s *Server) Refund(ctx context.Context, r *bankpb.RefundRequest) (*bankpb.Transaction, error) {
	return s.do(ctx, func() (Transaction, error) { return s.ledger.Refund(ctx, r.GetKey(), r.GetChargeKey()) })
}

// Void implements [bankpb.BankServer].
func (s *Server) Void(ctx context.Context, r *bankpb.VoidRequest) (*bankpb.Transaction, error) {
	return s.do(ctx, func() (Transaction, error) { return s.ledger.Void(ctx, r.GetKey()) })
}

// Get implements [bankpb.BankServer].
func (s *Server) Get(ctx context.Context, r *bankpb.GetRequest) (*bankpb.Transaction, error) {
	return s.do(ctx, func() (Transaction, error) { return s.ledger.Get(ctx, r.GetKey()) })
}

func (s *Server) do(ctx context.Context, f func() (Transaction, error)) (*bankpb.Transaction, error) {
	var t Transaction
	err := s.capacity.Do(ctx, func() (err error) {
		t, err = f()
		return err
	})
	if err != nil {
		return nil, err
	}
	return &bankpb.Transaction{Key: t.Key, Reference: t.Reference, Amount: t.Amount, State: string(t.State), Id: t.ID}, nil
}
