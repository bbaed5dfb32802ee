// Package checkout turns a cart into a paid order. It promises that a key buys
// at most once; that money is taken exactly for the orders that end PAID, and
// given back for all others; and that every checkout it has begun comes to an
// end, whatever dies in between.
//
// [Run] runs one replica. A checkout is a saga, one row in PostgreSQL:
//
//	         running                                     answered PAID
//	begin ─▶ create ─▶ reserve ─▶ capture ─▶ commit ─▶ paid ─▶ clear ─▶ completed
//	            │         │          │          │
//	            ▼         ▼          ▼          ▼        compensating
//	         unmake    release ◀─ refund ◀──────┘
//	            │         └──▶ cancel
//	            └──▶ compensated ◀─┘                     answered CANCELLED
//
// A step is asked of another service only after the row says so, and whoever
// finds the row may ask again: each effect is idempotent by the order, whose
// name derives from the key. The arrows down are taken on a definite no, or
// when money has not surely been taken within the limit ([settings.giveUp]);
// an answer that is missing or unclear is asked for again. After a confirmed
// capture a saga goes forward only, unless the stock is refused.
//
// An effect of an owner who was too late to know that he is none any more does
// no harm: what was released cannot be reserved, what was refunded cannot be
// captured, what was cancelled cannot be paid, and the reverse.
//
// Where things stand: the saga and its names (saga.go), the steps (steps.go),
// what an answer means (verdict.go), the one who drives a saga (driver.go), who
// takes over and drains (resume.go), statements (postgres.go), reading and
// pricing the cart (basket.go), and the server (server.go).
package checkout

import (
	"context"
	"embed"
	"fmt"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"

	"github.com/bedlamlab/bedlam/services/cart/cartpb"
	"github.com/bedlamlab/bedlam/services/catalog/catalogpb"
	"github.com/bedlamlab/bedlam/services/checkout/checkoutpb"
	"github.com/bedlamlab/bedlam/services/internal/serve"
	"github.com/bedlamlab/bedlam/services/inventory/inventorypb"
	"github.com/bedlamlab/bedlam/services/orders/orderspb"
	"github.com/bedlamlab/bedlam/services/payment/paymentpb"
	"github.com/bedlamlab/bedlam/topology"
)

// peers are the services that a checkout asks.
type peers struct {
	cart      cartpb.CartClient
	catalog   catalogpb.CatalogClient
	inventory inventorypb.InventoryClient
	payment   paymentpb.PaymentClient
	orders    orderspb.OrdersClient
}

// settings are the long clocks of a checkout; each may be set in the topology.
type settings struct {
	// lease is how long an owner may be silent before another takes over: as
	// short as an owner that renews it three times may stumble. lease, 3s.
	lease time.Duration
	// look is how often a replica looks for sagas without an owner. resume_every, 500ms.
	look time.Duration
	// giveUp is how long a saga may try to take the money. It is shorter than
	// the life of a reservation (20 s in the shop's topology), so that a
	// captured order can still commit its stock. give_up, 15s.
	giveUp time.Duration
}

func parseSettings(e *serve.Env) (settings, error) {
	s := settings{lease: 3 * time.Second, look: 500 * time.Millisecond, giveUp: 15 * time.Second}
	for name, to := range map[string]*time.Duration{"lease": &s.lease, "resume_every": &s.look, "give_up": &s.giveUp} {
		text := e.Setting(name)
		if text == "" {
			continue
		}
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			return s, fmt.Errorf("setting %s is %q, want a positive duration such as 3s", name, text)
		}
		*to = d
	}
	return s, nil
}

//go:embed migrations/*.sql
var files embed.FS

// Run serves one replica of the checkout until ctx is done and it has drained.
// Every replica resumes what another has left.
func Run(ctx context.Context, a topology.Assignment) error {
	var d *driver
	return serve.Run(ctx, a, serve.Service{
		Name:       "checkout",
		Migrations: files,
		Register: func(_ context.Context, e *serve.Env, s *grpc.Server) error {
			set, err := parseSettings(e)
			if err != nil {
				return err
			}
			p := peers{
				cart:      cartpb.NewCartClient(e.Peer("cart")),
				catalog:   catalogpb.NewCatalogClient(e.Peer("catalog")),
				inventory: inventorypb.NewInventoryClient(e.Peer("inventory")),
				payment:   paymentpb.NewPaymentClient(e.Peer("payment")),
				orders:    orderspb.NewOrdersClient(e.Peer("orders")),
			}
			// A restarted replica is another owner: what it left behind in its
			// former life is not its own.
			owner := a.Instance.Name + "/" + uuid.NewString()
			d = newDriver(postgres{e.DB}, p, set, owner, e.Log)
			checkoutpb.RegisterCheckoutServer(s, &server{driver: d})
			return nil
		},
		Background: []func(context.Context, *serve.Env) error{
			func(ctx context.Context, _ *serve.Env) error { d.keep(ctx); return nil },
			func(ctx context.Context, _ *serve.Env) error { d.resume(ctx); return nil },
		},
	})
}
