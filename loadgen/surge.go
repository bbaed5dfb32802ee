package loadgen

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

// A Surge is load beside the customers': more of them, or others than usual.
// Its journeys arrive at their own rate, an open loop like the customers', by
// its own seed; they have connections of their own, and their requests stand in
// the record under the surge's name.
type Surge struct {
	Name string // unique in the run
	Seed uint64 // decides its arrivals and journeys
	// Factor is how many times the customers' own rate arrives in all, theirs
	// included: more than 1. Rate is how many journeys a second arrive besides:
	// more than 0. Exactly one of the two is given.
	Factor float64
	Rate   float64
	Most   int    // journeys in all; 0: they come until the surge ebbs
	Kind   string // one of SurgeKinds
	Dose   string // of poison, one of Doses; empty: all of them by turns
	// Patience is how long they wait for an answer before they hang up; 0: as
	// long as customers do. Who buys is impatient only at the checkout, and who
	// fills a cart at the last thing that goes into it.
	Patience time.Duration
	Gateways []string // instances that they ask; empty: all that customers ask
}

// The kinds of journeys that a surge is made of, beside those of customers
// (browse, cart, buy).
const (
	Mixed    = "all"      // journeys as customers make them
	Browse   = "browse"   // they only look
	Fill     = "cart"     // they fill a cart
	Buy      = "buy"      // they buy
	Prefetch = "prefetch" // one page that a browser fetches in case it is needed, and says so
	Flash    = "flash"    // each buys one piece of the same scarce product
	Poison   = "poison"   // one request that is allowed on the wire and that nobody needs
)

// SurgeKinds are all of them.
var SurgeKinds = []string{Mixed, Browse, Fill, Buy, Prefetch, Flash, Poison}

// A Surger can let more come than the customers.
type Surger interface {
	// Surge lets a surge begin. One of that name that is on goes on; one that
	// has ebbed comes again, with other journeys. The error says what is wrong
	// with it, or that the load has stopped.
	Surge(s Surge) error
	// Ebb ends a surge: nobody else arrives when it returns, and who is under
	// way asks for nothing further. One that is unknown or over is no error.
	Ebb(name string)
	// Surged says how a surge fares, or fared; false: there was none.
	Surged(name string) (Surged, bool)
}

// Surged is what a surge has done.
type Surged struct {
	On       bool
	For      time.Duration // since it began last
	Asked    float64       // journeys that should have arrived in it
	Arrived  int           // journeys that have begun
	Sent     int           // requests
	Answered int           // of those, the ones that were answered, however
	Left     int           // of those, the ones whose customer hung up
	Beside   int           // customers' requests that were due in the same time
}

// Mark is how the trace ids of a surge's requests begin, whatever the run:
// eight bytes made of its name.
func Mark(name string) (mark [8]byte) {
	a, _ := stream(0, "surge "+name, 0)
	binary.BigEndian.PutUint64(mark[:], a|1)
	return mark
}

// fastest is the most journeys a second of a surge: some ten times what one
// process of the shop serves.
const fastest = 10_000

// rate says how many journeys a second a surge is beside customers at usual.
func (s Surge) rate(usual float64) (float64, error) {
	rate := s.Rate
	switch {
	case !(s.Factor > 0) == !(s.Rate > 0):
		return 0, fmt.Errorf("want either a factor or a rate")
	case s.Factor > 0 && s.Factor <= 1:
		return 0, fmt.Errorf("factor %v: want more than 1, which is the customers alone", s.Factor)
	case s.Factor > 0:
		rate = (s.Factor - 1) * usual
	}
	if !(rate > 0 && rate <= fastest) {
		return 0, fmt.Errorf("%v journeys a second: want more than 0 and at most %d", rate, fastest)
	}
	return rate, nil
}

// check says what is wrong with a surge.
func (s Surge) check() error {
	switch {
	case s.Name == "":
		return fmt.Errorf("it has no name")
	case !slices.Contains(SurgeKinds, s.Kind):
		return fmt.Errorf("kind %q: want one of %v", s.Kind, SurgeKinds)
	case s.Dose != "" && !slices.Contains(Doses, s.Dose):
		return fmt.Errorf("dose %q: want one of %v", s.Dose, Doses)
	case s.Most < 0:
		return fmt.Errorf("at most %d journeys: want 0 or more", s.Most)
	case s.Patience < 0:
		return fmt.Errorf("patience %v: want 0 or more", s.Patience)
	}
	return nil
}

// scripts returns what a surge's journeys do. Those of customers are drawn from
// the surge's own seed.
func (s Surge) scripts(p *Planner, scarce string) func(journey uint64, script *Script) {
	own := &Planner{seed: s.Seed, skus: p.skus, share: p.share}
	return func(journey uint64, script *Script) {
		switch s.Kind {
		case Mixed:
			own.Script(journey, script)
		case Prefetch:
			d := own.draft(journey, script)
			script.Kind = Prefetch
			d.ask(Step{Class: ClassProduct, SKU: d.product()})
		case Flash:
			own.draft(journey, script).flash(scarce)
		case Poison:
			own.draft(journey, script).poison(s.Dose, journey)
		default:
			i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == s.Kind })
			script.Kind = s.Kind
			kinds[i].write(own.draft(journey, script))
		}
		if s.Patience > 0 {
			hurry(script.Steps, s.Patience)
		}
	}
}

// hurry makes whoever follows some steps impatient: with the last of them that
// has an effect, or, where none has, with all.
func hurry(steps []Step, patience time.Duration) {
	last := -1
	for i, st := range steps {
		if writes(st.Class) {
			last = i
		}
	}
	for i := range steps {
		if last < 0 || i == last {
			steps[i].Patience = patience
		}
	}
}
