package check

import (
	"fmt"
	"maps"

	"github.com/bedlamlab/bedlam/loadgen"
)

var orderTotals = invariant{
	Check: Check{"order-total", "an order's total is the sum of its lines, each at the catalogue's price"},
	views: []string{"orders.audit_orders", "orders.audit_lines", "catalog.audit_products"},
	judge: func(b *books) (int, []violation) {
		price := map[string]int64{}
		b.rows("catalog.audit_products", func(r row) { price[r.text("sku")] = r.number("price") })
		sum := map[string]int64{}
		var vs []violation
		b.rows("orders.audit_lines", func(r row) {
			id, sku, at := r.text("order_id"), r.text("sku"), r.number("price")
			sum[id] += r.number("quantity") * at
			if listed, known := price[sku]; !known || listed != at {
				vs = append(vs, violation{site: "checkout", order: id, what: sku,
					text: fmt.Sprintf("order %s sold %s at %s, the catalogue says %s", id, sku, euros(at), euros(listed))})
			}
		})
		for id, o := range b.orders {
			if sum[id] != o.total {
				vs = append(vs, violation{site: "orders", order: id,
					text: fmt.Sprintf("order %s has a total of %s and lines of %s", id, euros(o.total), euros(sum[id]))})
			}
		}
		return len(b.orders), vs
	},
}

// acknowledged reports whether a customer was told that an add is in the cart.
func acknowledged(r *loadgen.Request) bool {
	return r.Outcome == loadgen.Degraded || r.Outcome == loadgen.OK && r.Reason == ""
}

var orderHoldsCart = invariant{
	Check:   Check{"order-holds-cart", "a paid order holds what its customer had put into the cart, each add once"},
	views:   []string{"orders.audit_orders", "orders.audit_lines"},
	history: true,
	judge: func(b *books) (int, []violation) {
		carts := map[string]map[string]int64{} // by cart: quantity by sku
		vague := map[string]bool{}             // carts of which it is not known what is in them
		for _, r := range b.asked.adds {
			switch {
			case r.Outcome == loadgen.Unknown || r.Reason == untrue:
				vague[r.Cart] = true
			case acknowledged(r):
				if carts[r.Cart] == nil {
					carts[r.Cart] = map[string]int64{}
				}
				carts[r.Cart][r.SKU] += int64(r.Qty)
			}
		}
		lines := map[string]map[string]int64{}
		b.rows("orders.audit_lines", func(r row) {
			id := r.text("order_id")
			if lines[id] == nil {
				lines[id] = map[string]int64{}
			}
			lines[id][r.text("sku")] += r.number("quantity")
		})
		var vs []violation
		n := 0
		for id, o := range b.orders {
			r := b.asked.checkouts[o.key]
			if r == nil || !o.paid() || vague[r.Cart] {
				continue
			}
			if n++; !maps.Equal(lines[id], carts[r.Cart]) {
				vs = append(vs, violation{site: "checkout", order: id,
					text: fmt.Sprintf("order %s holds %v, its cart %s had %v", id, lines[id], r.Cart, carts[r.Cart])})
			}
		}
		return n, vs
	},
}

var cartKeepsAdds = invariant{
	Check: Check{"cart-keeps-adds", "every acknowledged add to a cart is there, once, and only a paid order empties a cart"},
	views: []string{"cart.audit_adds", "cart.audit_clears", "orders.audit_orders"},
	judge: func(b *books) (int, []violation) {
		type add struct {
			cart, sku string
			quantity  int64
		}
		kept := map[string][]add{}
		b.rows("cart.audit_adds", func(r row) {
			kept[r.text("key")] = append(kept[r.text("key")], add{r.text("cart"), r.text("sku"), r.number("quantity")})
		})
		var vs []violation
		n := 0
		for key, r := range b.asked.adds {
			if !acknowledged(r) {
				continue
			}
			n++
			bad := func(format string, args ...any) {
				vs = append(vs, violation{site: "cart", key: key, text: "cart " + r.Cart + " " + fmt.Sprintf(format, args...)})
			}
			switch got := kept[key]; {
			case len(got) == 0:
				bad("lost the acknowledged add of %d %s", r.Qty, r.SKU)
			case len(got) > 1:
				bad("took the add of %d %s %d times", r.Qty, r.SKU, len(got))
			case got[0] != add{r.Cart, r.SKU, int64(r.Qty)}:
				bad("was asked for %d %s and has %d %s", r.Qty, r.SKU, got[0].quantity, got[0].sku)
			}
		}
		b.rows("cart.audit_clears", func(r row) {
			if id := r.text("order_id"); !b.orders[id].paid() {
				vs = append(vs, violation{site: "checkout", order: id, at: r.text("created_at"),
					text: fmt.Sprintf("cart %s was emptied for order %s, which is not paid", r.text("cart"), id)})
			}
		})
		return n, vs
	},
}
