package cart

import (
	"context"

	"github.com/bedlamlab/bedlam/services/cart/cartpb"
	"github.com/bedlamlab/bedlam/services/internal/answer"
)

// server answers over gRPC; nothing is decided here.
type server struct {
	cartpb.UnimplementedCartServer
	store postgres
}

// Add implements [cartpb.CartServer]. FAILED_PRECONDITION: the cart or the line
// is full. INVALID_ARGUMENT: a field is wrong, or the key stands for another add.
func (s *server) Add(ctx context.Context, r *cartpb.AddRequest) (*cartpb.Contents, error) {
	a := add{cart: r.GetCart(), key: r.GetKey(), sku: r.GetSku(), quantity: r.GetQuantity()}
	if err := a.validate(); err != nil {
		return nil, err
	}
	return s.store.add(ctx, a)
}

// Remove implements [cartpb.CartServer].
func (s *server) Remove(ctx context.Context, r *cartpb.RemoveRequest) (*cartpb.Contents, error) {
	if err := answer.Text("cart", r.GetCart()); err != nil {
		return nil, err
	}
	if err := answer.Text("sku", r.GetSku()); err != nil {
		return nil, err
	}
	return s.store.remove(ctx, r.GetCart(), r.GetSku())
}

// Get implements [cartpb.CartServer].
func (s *server) Get(ctx context.Context, r *cartpb.GetRequest) (*cartpb.Contents, error) {
	if err := answer.Text("cart", r.GetCart()); err != nil {
		return nil, err
	}
	return s.store.get(ctx, r.GetCart())
}

// Clear implements [cartpb.CartServer].
func (s *server) Clear(ctx context.Context, r *cartpb.ClearRequest) (*cartpb.Contents, error) {
	if err := answer.Text("cart", r.GetCart()); err != nil {
		return nil, err
	}
	if err := answer.Text("order", r.GetOrder()); err != nil {
		return nil, err
	}
	if r.GetVersion() < 0 {
		return nil, answer.Invalid("version", "is %d, want 0 or more", r.GetVersion())
	}
	return s.store.clear(ctx, r.GetCart(), r.GetOrder(), r.GetVersion())
}
