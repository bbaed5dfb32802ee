// Package gateway is where customers come in: a JSON API (see openapi.yaml,
// which it serves) and a storefront of plain pages. It keeps nothing. [Run]
// runs it.
//
// A request goes through the gate (a bounded queue for each class, buying
// before browsing before prefetching), gets a deadline, and asks the services
// behind. What is optional may fail: then the answer is a lesser one, and says
// so in X-Degraded.
package gateway

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"

	"github.com/bedlamlab/bedlam/services/cart/cartpb"
	"github.com/bedlamlab/bedlam/services/catalog/catalogpb"
	"github.com/bedlamlab/bedlam/services/checkout/checkoutpb"
	"github.com/bedlamlab/bedlam/services/internal/serve"
	"github.com/bedlamlab/bedlam/services/orders/orderspb"
	"github.com/bedlamlab/bedlam/services/recommend/recommendpb"
	"github.com/bedlamlab/bedlam/topology"
)

// defaultSlots is how many requests are worked on at once. A healthy gateway
// at a hundred journeys a second has about three in hand; when one of the
// services hangs, its bulkhead (64) fills first and leaves a third to those
// requests that do not need it.
const defaultSlots = 96

// Run serves the gateway until ctx is done. Setting: slots.
func Run(ctx context.Context, a topology.Assignment) error {
	return serve.Run(ctx, a, serve.Service{Name: "gateway", HTTP: open})
}

// shop is what the handlers have around them.
type shop struct {
	catalog   catalogpb.CatalogClient
	recommend recommendpb.RecommendClient
	cart      cartpb.CartClient
	checkout  checkoutpb.CheckoutClient
	orders    orderspb.OrdersClient

	gate *gate
	shed metric.Int64Counter
	log  *slog.Logger
}

func open(_ context.Context, e *serve.Env) (http.Handler, error) {
	slots, err := strconv.Atoi(cmp.Or(e.Setting("slots"), strconv.Itoa(defaultSlots)))
	if err != nil || slots < 1 {
		return nil, fmt.Errorf("setting slots: want a number of at least 1, got %q", e.Setting("slots"))
	}
	shed, err := otel.Meter("github.com/bedlamlab/bedlam/services/gateway").Int64Counter("gateway.shed",
		metric.WithDescription("Requests turned away at the gate, by class"))
	if err != nil {
		return nil, fmt.Errorf("counting what is shed: %w", err)
	}
	s := &shop{
		catalog:   catalogpb.NewCatalogClient(e.Peer("catalog")),
		recommend: recommendpb.NewRecommendClient(e.Peer("recommend")),
		cart:      cartpb.NewCartClient(e.Peer("cart")),
		checkout:  checkoutpb.NewCheckoutClient(e.Peer("checkout")),
		orders:    orderspb.NewOrdersClient(e.Peer("orders")),
		gate:      newGate(slots),
		shed:      shed,
		log:       e.Log,
	}
	return s.handler(), nil
}
