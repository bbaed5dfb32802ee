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
	if l.toxicity() == 1 {
		return 1
	}
	return int(math.Ceil(math.Log(missed) / math.Log(1-l.toxicity())))
}

// often is each for a do that judges one new connection: while the rule is on,
// one of so many over every link must be as wanted that it is no chance if none
// is, and after the lift, as many must be.
func (l links) often(injected bool, do func(link topology.Link) error) error {
	return l.each(func(link topology.Link) (err error) {
		for range l.tries() {
			if err = do(link); (err == nil) == injected {
				return err
			}
		}
		return err
	})
}
