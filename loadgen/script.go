package loadgen

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"time"
)

// A Script is everything one customer will want, decided before the first
// request: what a journey does depends on the seed and its ordinal only, never
// on how others fared.
type Script struct {
	Journey uint64
	Kind    string // browse, cart, buy
	Steps   []Step
}

// A Step is one request that a customer will make.
type Step struct {
	Class string
	SKU   string
	Qty   int
	Card  string
	// Patience is how long the customer waits for the answer before hanging
	// up; 0: for as long as customers do.
	Patience time.Duration
	// At is when the step is planned, counted from the journey's arrival: the
	// sum of the customer's pauses so far.
	At time.Duration

	act *action // nil: its class's
}

// A kind is one sort of customer. Its file adds it with register.
type kind struct {
	name  string
	share int // of 100 journeys
	write func(d *draft)
}

var kinds []kind

// register adds a kind of journey; it is called while the package is set up.
func register(k kind) struct{} {
	kinds = append(kinds, k)
	// By name, since the order in which files are set up must not decide
	// which draw means which journey.
	slices.SortFunc(kinds, func(a, b kind) int { return strings.Compare(a.name, b.name) })
	return struct{}{}
}

// A Planner writes scripts. It is safe for concurrent use.
type Planner struct {
	seed  uint64
	skus  []string
	share []float64 // cumulative, by rank
}

// NewPlanner returns a planner for a catalogue, most popular product first. Its
// scripts are a pure function of seed, catalogue and ordinal.
func NewPlanner(seed uint64, skus []string) (*Planner, error) {
	if len(skus) == 0 {
		return nil, fmt.Errorf("the catalogue has no products")
	}
	p := &Planner{seed: seed, skus: skus, share: make([]float64, len(skus))}
	sum := 0.0
	for i := range skus {
		// Zipf with exponent 1: the product of rank r is wanted 1/r as often
		// as the first, the usual first guess for what a shop sells.
		sum += 1 / float64(i+1)
		p.share[i] = sum
	}
	return p, nil
}

// Script writes the script of one journey into s, whose memory it reuses.
func (p *Planner) Script(journey uint64, s *Script) {
	d := p.draft(journey, s)
	n := d.IntN(100)
	for _, k := range kinds {
		if n -= k.share; n < 0 {
			s.Kind = k.name
			k.write(d)
			return
		}
	}
}

// draft begins the script of one journey.
func (p *Planner) draft(journey uint64, s *Script) *draft {
	a, b := stream(p.seed, "journey", journey)
	s.Journey, s.Steps = journey, s.Steps[:0]
	return &draft{Rand: rand.New(rand.NewPCG(a, b)), p: p, s: s}
}

// A draft is a script that is being written, with the journey's own chance.
type draft struct {
	*rand.Rand
	p  *Planner
	s  *Script
	at time.Duration
}

// ask adds a step at the present time of the journey, then pauses.
func (d *draft) ask(st Step) {
	st.At = d.at
	d.s.Steps = append(d.s.Steps, st)
	// A pause has a mean of 250 ms and at most 1 s: long enough that a journey
	// outlives a short fault, short enough that a drain takes seconds. Whole
	// milliseconds let the pauses of many customers end in one wake-up.
	pause := time.Duration(d.ExpFloat64() * float64(250*time.Millisecond))
	d.at += min(pause, time.Second).Truncate(time.Millisecond)
}

// product draws a product by popularity, other than the ones the script
// has put into the cart already if the catalogue has another.
func (d *draft) product() string {
	for range 8 { // a catalogue of one product would draw for ever
		sku := d.p.skus[d.p.rank(d.Float64())]
		if !slices.ContainsFunc(d.s.Steps, func(st Step) bool { return st.Class == ClassCartAdd && st.SKU == sku }) {
			return sku
		}
	}
	return d.p.skus[d.p.rank(d.Float64())]
}

// rank returns the rank, from 0, at a share from 0 to 1 of all demand.
func (p *Planner) rank(share float64) int {
	i := sort.SearchFloat64s(p.share, share*p.share[len(p.share)-1])
	return min(i, len(p.share)-1)
}

// quantity is mostly one.
func (d *draft) quantity() int {
	switch n := d.IntN(10); {
	case n < 7:
		return 1
	case n < 9:
		return 2
	}
	return 3
}

// collect looks at a product and puts it into the cart.
func (d *draft) collect() {
	sku := d.product()
	d.ask(Step{Class: ClassProduct, SKU: sku})
	d.ask(Step{Class: ClassCartAdd, SKU: sku, Qty: d.quantity()})
}
