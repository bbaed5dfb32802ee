package monkey

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/topology"
)

const (
	// farthest is how far ahead a schedule looks: who lets a monkey run for
	// longer than a year starts it again.
	farthest = 366 * 24 * time.Hour
	// settle is the time between the end of a fault and the beginning of the
	// next in its place, when no more may be on at once: for the lift and its
	// proof, which a restart after the first back-off is part of.
	settle = 5 * time.Second
)

// A Plan is a schedule with nothing left to choose. It is a pure function of
// what [NewPlan] is given.
type Plan struct {
	Options
	topology roster
	rows     []row
	weight   float64 // of all rows
	idle     []Choice
}

// A row is a choice and everybody whom it may harm.
type row struct {
	Choice
	targets []chaos.Resolved
}

// NewPlan makes the schedule of a catalogue on a topology. It refuses options
// that make no sense, and a catalogue of which nothing can be done.
func NewPlan(o Options, catalogue []Choice, t topology.System) (*Plan, error) {
	if err := o.validate(t); err != nil {
		return nil, err
	}
	p := &Plan{Options: o, topology: newRoster(t)}
	for _, c := range catalogue {
		if c.Weight == 0 {
			continue
		}
		if r := (row{c, p.targets(c)}); len(r.targets) > 0 {
			p.rows = append(p.rows, r)
			p.weight += c.Weight
		} else {
			p.idle = append(p.idle, c)
		}
	}
	if len(p.rows) == 0 {
		return nil, errors.New("nothing is left to break: every fault is left out, or everybody is excluded or too large a share of a service")
	}
	for range p.All() {
		return p, nil
	}
	return nil, fmt.Errorf("no fault of about %s fits between the hours and the quiet periods", o.Hold)
}

// Choices are what the schedule draws from, with the targets that each has.
func (p *Plan) Choices() []Choice {
	var all []Choice
	for _, r := range p.rows {
		c := r.Choice
		c.Targets = len(r.targets)
		all = append(all, c)
	}
	return all
}

// Idle are the choices that nobody is left for: everybody refuses them, is
// excluded or too large a share of a service.
func (p *Plan) Idle() []Choice { return p.idle }

// Targets are all harms that the schedule may draw, without their times.
func (p *Plan) Targets() []chaos.Resolved {
	var all []chaos.Resolved
	for _, r := range p.rows {
		all = append(all, r.targets...)
	}
	return all
}

// targets are whom a choice may harm by itself: one instance, or what one
// instance says to all of a callee's.
func (p *Plan) targets(c Choice) []chaos.Resolved {
	var all []chaos.Resolved
	add := func(r chaos.Resolved) {
		r.Action, r.Args, r.Direction = c.Fault, c.Args, c.Direction
		if p.admit(p.topology, nil, r) == nil && (c.Refuses == nil || c.Refuses(r) == nil) {
			all = append(all, r)
		}
	}
	if !c.Edges {
		for _, in := range p.topology.Instances() {
			add(chaos.Resolved{Instances: []string{in.Name}})
		}
		return all
	}
	for _, e := range p.topology.Edges {
		for _, caller := range p.topology.InstancesOf(e.From) {
			var links []topology.Link
			for _, l := range p.topology.LinksOf(e) {
				if l.From == caller.Name && p.excluded(p.topology, chaos.Resolved{Links: []topology.Link{l}}) == nil {
					links = append(links, l)
				}
			}
			if len(links) > 0 {
				add(chaos.Resolved{Links: links})
			}
		}
	}
	return all
}

// All yields the faults in the order of their beginnings, for a year. Times are
// from Start. What was yielded once is yielded again, however far one reads.
func (p *Plan) All() iter.Seq[chaos.Resolved] {
	return func(yield func(chaos.Resolved) bool) {
		draw := rand.New(rand.NewPCG(p.Seed, 0x6d6f6e6b6579)) // a stream of its own: "monkey"
		calendar, most := p.calendar(), p.Start.Add(farthest)
		at := p.Start
		var before []chaos.Resolved // whose places are not free yet
		for n := 1; ; {
			// Everything is drawn in each round, so that what is left out
			// changes nothing of what follows.
			gap := p.Least.D() + time.Duration(draw.ExpFloat64()*float64(p.Mean-p.Least))
			hold := p.Hold.D()/2 + time.Duration(draw.Float64()*float64(p.Hold.D()))
			which, whom, seed := draw.Float64(), draw.Float64(), draw.Uint64()
			var ok bool
			if at, ok = p.begin(calendar, at, min(gap, farthest).Round(time.Millisecond), before, most); !ok {
				return
			}
			offset := topology.Duration(at.Sub(p.Start))
			before = slices.DeleteFunc(before, func(r chaos.Resolved) bool { return free(r) <= offset })
			r, ok := p.choose(which, whom, before)
			if hold = max(hold, ShortestHold).Round(time.Millisecond); !ok || !calendar.fits(at, hold) {
				continue // it would be on too late, or there is nobody else to harm: the next one comes
			}
			r.ID, r.At, r.Duration, r.Seed = fmt.Sprintf("monkey/%d", n), offset, topology.Duration(hold), seed
			before = append(before, r)
			n++
			if !yield(r) {
				return
			}
		}
	}
}

// free is when a fault's place can be taken by another.
func free(r chaos.Resolved) topology.Duration {
	return r.At + r.Duration + topology.Duration(settle)
}

// begin is the first moment, a gap after the last one, at which it is open and
// a place is free.
func (p *Plan) begin(c calendar, last time.Time, gap time.Duration, before []chaos.Resolved, most time.Time) (time.Time, bool) {
	at, ok := c.advance(last, gap, most)
	for ok {
		var ends []topology.Duration
		for _, r := range before {
			if free(r) > topology.Duration(at.Sub(p.Start)) {
				ends = append(ends, free(r))
			}
		}
		if len(ends) < p.Simultaneous {
			return at, true
		}
		at, ok = c.advance(p.Start.Add(slices.Min(ends).D()), 0, most)
	}
	return at, false
}

// choose takes a row by its weight, then one of its targets that may be harmed
// beside what is on; both by numbers from 0 to 1.
func (p *Plan) choose(which, whom float64, live []chaos.Resolved) (chaos.Resolved, bool) {
	which *= p.weight
	r := p.rows[len(p.rows)-1]
	for _, candidate := range p.rows {
		if which < candidate.Weight {
			r = candidate
			break
		}
		which -= candidate.Weight
	}
	targets := r.targets
	if len(live) > 0 {
		targets = slices.DeleteFunc(slices.Clone(targets), func(t chaos.Resolved) bool { return p.admit(p.topology, live, t) != nil })
	}
	if len(targets) == 0 {
		return chaos.Resolved{}, false
	}
	return targets[int(whom*float64(len(targets)))], true
}

// Until returns the faults that begin before d.
func (p *Plan) Until(d time.Duration) []chaos.Resolved {
	var all []chaos.Resolved
	for r := range p.All() {
		if r.At.D() >= d {
			break
		}
		all = append(all, r)
	}
	return all
}
