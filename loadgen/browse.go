package loadgen

// Most customers only look: the home page, then one to three products.
var _ = register(kind{name: "browse", share: 70, write: func(d *draft) {
	d.ask(Step{Class: ClassHome})
	for range 1 + d.IntN(3) {
		d.ask(Step{Class: ClassProduct, SKU: d.product()})
	}
}})
