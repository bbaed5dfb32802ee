package inventory

import (
	"context"

	"github.com/bedlamlab/bedlam/services/inventory/inventorypb"
)

// Server is the stock behind gRPC.
type Server struct {
	inventorypb.UnimplementedInventoryServer
	store *Store
}

// NewServer returns a server that answers for s.
func NewServer(s *Store) *Server { return &Server{store: s} }

// Reserve implements [inventorypb.InventoryServer].
func (s *Server) Reserve(ctx context.Context, r *inventorypb.ReserveRequest) (*inventorypb.Reservation, error) {
	lines := make([]Line, len(r.GetLines()))
	for i, l := range r.GetLines() {
		lines[i] = Line{SKU: l.GetSku(), Quantity: l.GetQuantity()}
	}
	return reply(s.store.Reserve(ctx, r.GetOrder(), lines))
}

// Commit implements [inventorypb.InventoryServer].
func (s *Server) Commit(ctx context.Context, r *inventorypb.ReservationRequest) (*inventorypb.Reservation, error) {
	return reply(s.store.Commit(ctx, r.GetOrder()))
}

// Release implements [inventorypb.InventoryServer].
func (s *Server) Release(ctx context.Context, r *inventorypb.ReservationRequest) (*inventorypb.Reservation, error) {
	return reply(s.store.Release(ctx, r.GetOrder()))
}

// Stock implements [inventorypb.InventoryServer].
func (s *Server) Stock(ctx context.Context, r *inventorypb.StockRequest) (*inventorypb.StockResponse, error) {
	free, err := s.store.Available(ctx, r.GetSku())
	if err != nil {
		return nil, err
	}
	return &inventorypb.StockResponse{Sku: r.GetSku(), Available: free}, nil
}

func reply(r Reservation, err error) (*inventorypb.Reservation, error) {
	if err != nil {
		return nil, err
	}
	return &inventorypb.Reservation{Order: r.Order, State: string(r.State), ExpiresUnixMs: r.Expires.UnixMilli()}, nil
}
