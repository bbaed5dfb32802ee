// Package cart keeps what customers mean to buy. It promises that an
// acknowledged add is never lost: neither by a crash, nor by a repeated
// request, nor by the order of another moment.
//
// [Run] runs one replica. The rest is: what a line may be (this file), the
// server (server.go) and the statements (postgres.go).
//
// An add, its key and its place in the cart are one row. The adds of a cart are
// numbered under the cart's row lock; the number of the last one is the
// version of the contents. An order names the version that it bought, and
// [cartpb.CartClient] Clear takes those adds and no later ones: what a customer
// adds while the order is still being paid stays in the cart.
package cart

import (
	"context"
	"embed"

	"google.golang.org/grpc"

	"github.com/bedlamlab/bedlam/services/cart/cartpb"
	"github.com/bedlamlab/bedlam/services/internal/answer"
	"github.com/bedlamlab/bedlam/services/internal/serve"
	"github.com/bedlamlab/bedlam/topology"
)

const (
	maxQuantity = 99  // of one line: what inventory holds for one line of an order
	maxLines    = 100 // of one cart: what the catalogue prices in one call
)

var (
	errFull   = answer.Refused("CART_FULL", "a cart holds %d products and %d of each at most", maxLines, maxQuantity)
	errReused = answer.Invalid("key", "stands for another add to this cart")
)

// An add is one request to put something into a cart.
type add struct {
	cart, key, sku string
	quantity       int32
}

func (a add) validate() error {
	for _, f := range [][2]string{{"cart", a.cart}, {"key", a.key}, {"sku", a.sku}} {
		if err := answer.Text(f[0], f[1]); err != nil {
			return err
		}
	}
	if a.quantity < 1 || a.quantity > maxQuantity {
		return answer.Invalid("quantity", "is %d, want 1 to %d", a.quantity, maxQuantity)
	}
	return nil
}

//go:embed migrations/*.sql
var files embed.FS

// Run serves one replica of the cart until ctx is done and it has drained.
func Run(ctx context.Context, a topology.Assignment) error {
	return serve.Run(ctx, a, serve.Service{
		Name:       "cart",
		Migrations: files,
		Register: func(_ context.Context, e *serve.Env, s *grpc.Server) error {
			cartpb.RegisterCartServer(s, &server{store: postgres{e.DB}})
			return nil
		},
	})
}
