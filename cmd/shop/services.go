package main

import (
	"context"

	"github.com/bedlamlab/bedlam/services/bank"
	"github.com/bedlamlab/bedlam/services/cart"
	"github.com/bedlamlab/bedlam/services/catalog"
	"github.com/bedlamlab/bedlam/services/checkout"
	"github.com/bedlamlab/bedlam/services/gateway"
	"github.com/bedlamlab/bedlam/services/inventory"
	"github.com/bedlamlab/bedlam/services/orders"
	"github.com/bedlamlab/bedlam/services/payment"
	"github.com/bedlamlab/bedlam/services/recommend"
	"github.com/bedlamlab/bedlam/services/shipping"
	"github.com/bedlamlab/bedlam/topology"
)

// services are the parts of the shop that this program can be.
var services = map[string]func(context.Context, topology.Assignment) error{
	"bank":      bank.Run,
	"cart":      cart.Run,
	"catalog":   catalog.Run,
	"checkout":  checkout.Run,
	"gateway":   gateway.Run,
	"inventory": inventory.Run,
	"orders":    orders.Run,
	"payment":   payment.Run,
	"recommend": recommend.Run,
	"shipping":  shipping.Run,
}
