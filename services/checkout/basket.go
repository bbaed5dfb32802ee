package checkout

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/bedlamlab/bedlam/services/cart/cartpb"
	"github.com/bedlamlab/bedlam/services/catalog/catalogpb"
)

// Baskets that are not bought, whatever is tried.
var (
	errEmpty = errors.New("the cart is empty")
	errGone  = errors.New("a product is not sold any more")
	errMixed = errors.New("the products have prices in several currencies")
)

// pricedAtOnce is how many products the catalogue takes in one call.
const pricedAtOnce = 100

// fill reads a cart and prices it. It has no effect on anything, so what fails
// here, fails cleanly.
func (p peers) fill(ctx context.Context, cart string) (basket, error) {
	c, err := p.cart.Get(ctx, &cartpb.GetRequest{Cart: cart})
	if err != nil {
		return basket{}, err
	}
	if len(c.GetLines()) == 0 {
		return basket{}, errEmpty
	}
	prices, err := p.prices(ctx, c.GetLines())
	if err != nil {
		return basket{}, err
	}
	b := basket{version: c.GetVersion(), lines: make([]line, 0, len(c.GetLines()))}
	for _, l := range c.GetLines() {
		product, ok := prices[l.GetSku()]
		if !ok {
			return basket{}, fmt.Errorf("%w: %s", errGone, l.GetSku())
		}
		if b.currency == "" {
			b.currency = product.GetCurrency()
		}
		if b.currency != product.GetCurrency() {
			return basket{}, errMixed
		}
		b.lines = append(b.lines, line{SKU: l.GetSku(), Quantity: l.GetQuantity(), Price: product.GetPrice()})
		b.total += int64(l.GetQuantity()) * product.GetPrice()
	}
	return b, nil
}

func (p peers) prices(ctx context.Context, lines []*cartpb.Line) (map[string]*catalogpb.Product, error) {
	found := make(map[string]*catalogpb.Product, len(lines))
	for some := range slices.Chunk(lines, pricedAtOnce) {
		r := &catalogpb.GetManyRequest{}
		for _, l := range some {
			r.Skus = append(r.Skus, l.GetSku())
		}
		reply, err := p.catalog.GetMany(ctx, r)
		if err != nil {
			return nil, err
		}
		for _, product := range reply.GetProducts() {
			found[product.GetSku()] = product
		}
	}
	return found, nil
}
