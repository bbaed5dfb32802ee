package fault

import (
	"math"

	"github.com/bedlamlab/bedlam/topology"
)

const (
	// leastToxicity asks for 135 connections of a probe, which take a fraction of
	// a second, before it may say that it has seen no harm.
	leastToxicity = 0.05
	// missed is how likely a probe may be to have met no harm although there is
	// some.
	missed = 0.001
	// toxicityParam is what every fault on edges takes besides its own.
	toxicityParam = "toxicity: 0.05 to 1, the share of the connections that are harmed, each from its first byte to its last; 1 unless given"
)

// toxicity is the share of the connections that meet the rule.
func (l links) toxicity() float64 {
	if l.Toxicity == nil {
		return 1
	}
	return *l.Toxicity
}

// tries is how many connections that are not harmed are no chance any more.
func (l links) tries() int {
	return int(math.Ceil(math.Log(missed) / math.Log(1-l.toxicity())))
}

// often is each for a do that judges one new connection. While the rule is on, it
// wants two over every link to be harmed of twice as many as are no chance any
// more if none is: one that is late may be the machine's doing. After the lift,
// as many must all be unharmed.
func (l links) often(injected bool, do func(link topology.Link) error) error {
	if l.toxicity() == 1 {
		return l.each(do)
	}
	const wanted = 2
	return l.each(func(link topology.Link) error {
		if !injected {
			for range l.tries() {
				if err := do(link); err != nil {
					return err
				}
			}
			return nil
		}
		var last error
		harmed := 0
		for range wanted * l.tries() {
			if err := do(link); err != nil {
				last = err
			} else if harmed++; harmed == wanted {
				return nil
			}
		}
		return last
	})
}
