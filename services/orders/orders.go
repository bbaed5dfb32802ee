// Package orders keeps orders and tells shipping of the paid ones. It promises
// that an order moves only along the arrows below, each move once, and that
// shipping hears of every paid order however often either side dies.
//
//	PENDING ──▶ PAID ──▶ SHIPPED      SHIPPED: shipping has acknowledged the event
//	   └──────▶ CANCELLED
//
// [Run] runs one replica. The rules stand in this file, the server in
// server.go, the statements in postgres.go; the outbox is written by MarkPaid
// (postgres.go) and emptied by the publisher (publisher.go, outbox.go).
package orders

import (
	"context"
	"embed"
	"math"

	"google.golang.org/grpc"

	"github.com/bedlamlab/bedlam/services/internal/answer"
	"github.com/bedlamlab/bedlam/services/internal/serve"
	"github.com/bedlamlab/bedlam/services/orders/orderspb"
	"github.com/bedlamlab/bedlam/services/shipping/shippingpb"
	"github.com/bedlamlab/bedlam/topology"
)

// The states of an order.
const (
	pending   = "PENDING"
	paid      = "PAID"
	shipped   = "SHIPPED"
	cancelled = "CANCELLED"
)

// eventPaid is the type of the event that a paid order sends.
const eventPaid = "order.paid"

const (
	maxLines    = 100           // of one order, as of one cart
	maxQuantity = 99            // of one line, as in the cart
	maxPrice    = math.MaxInt32 // cents: 21 million of any currency, so that no total overflows
)

// validate reports what is wrong with an order that is to be made: the total
// must be the sum of its lines, because money is taken by the total and stock
// by the lines.
func validate(r *orderspb.CreateRequest) error {
	for _, f := range [][2]string{{"order", r.GetOrder()}, {"key", r.GetKey()}, {"customer", r.GetCustomer()}} {
		if err := answer.Text(f[0], f[1]); err != nil {
			return err
		}
	}
	if n := len(r.GetLines()); n < 1 || n > maxLines {
		return answer.Invalid("lines", "are %d, want 1 to %d", n, maxLines)
	}
	var sum int64
	seen := make(map[string]bool, len(r.GetLines()))
	for _, l := range r.GetLines() {
		if err := answer.Text("lines.sku", l.GetSku()); err != nil {
			return err
		}
		switch {
		case seen[l.GetSku()]:
			return answer.Invalid("lines.sku", "%s stands twice", l.GetSku())
		case l.GetQuantity() < 1 || l.GetQuantity() > maxQuantity:
			return answer.Invalid("lines.quantity", "of %s is %d, want 1 to %d", l.GetSku(), l.GetQuantity(), maxQuantity)
		case l.GetPrice() < 0 || l.GetPrice() > maxPrice:
			return answer.Invalid("lines.price", "of %s is %d, want 0 to %d", l.GetSku(), l.GetPrice(), maxPrice)
		}
		seen[l.GetSku()] = true
		sum += int64(l.GetQuantity()) * l.GetPrice()
	}
	if sum != r.GetTotal() {
		return answer.Invalid("total", "is %d, but the lines come to %d", r.GetTotal(), sum)
	}
	return nil
}

//go:embed migrations/*.sql
var files embed.FS

// Run serves one replica of the orders until ctx is done and it has drained.
// Every replica publishes.
func Run(ctx context.Context, a topology.Assignment) error {
	wake := make(chan struct{}, 1) // one is enough: a publisher that wakes takes all there is
	return serve.Run(ctx, a, serve.Service{
		Name:       "orders",
		Migrations: files,
		Register: func(_ context.Context, e *serve.Env, s *grpc.Server) error {
			orderspb.RegisterOrdersServer(s, &server{store: postgres{e.DB}, wake: wake})
			return observeBacklog(e.DB)
		},
		Background: []func(context.Context, *serve.Env) error{
			func(ctx context.Context, e *serve.Env) error {
				p := publisher{
					outbox:   outbox{e.DB},
					shipping: shippingpb.NewShippingClient(e.Peer("shipping")),
					log:      e.Log,
					wake:     wake,
				}
				p.run(ctx)
				return nil
			},
		},
	})
}
