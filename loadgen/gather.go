package loadgen

// Some fill a cart with one or two products, look at it and leave.
var _ = register(kind{name: "cart", share: 20, write: func(d *draft) {
	for range 1 + d.IntN(2) {
		d.collect()
	}
	d.ask(Step{Class: ClassCartRead})
}})
