package loadgen

import "fmt"

// Some buy one or two products and look at their order. One card in fifty is
// declined by the bank: a card whose token begins with "declined" always is.
var _ = register(kind{name: "buy", share: 10, write: func(d *draft) {
	for range 1 + d.IntN(2) {
		d.collect()
	}
	issuer := "visa"
	if d.IntN(50) == 0 {
		issuer = declinedCard
	}
	d.ask(Step{Class: ClassCheckout, Card: fmt.Sprintf("%s-%016x", issuer, d.Uint64())})
	d.ask(Step{Class: ClassOrder})
}})

// declinedCard begins the token of a card that the bank declines.
const declinedCard = "declined"
