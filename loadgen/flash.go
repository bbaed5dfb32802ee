package loadgen

import "fmt"

// flash buys one piece of a product that everybody wants at this moment: no
// looking around, and a card that is good.
func (d *draft) flash(sku string) {
	d.s.Kind = Flash
	d.ask(Step{Class: ClassProduct, SKU: sku})
	d.ask(Step{Class: ClassCartAdd, SKU: sku, Qty: 1})
	d.ask(Step{Class: ClassCheckout, Card: fmt.Sprintf("visa-%016x", d.Uint64())})
	d.ask(Step{Class: ClassOrder})
}
