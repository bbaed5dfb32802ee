// Package shrink makes a failing experiment as small as it can be while it
// still fails: fewer steps, fewer victims, shorter, milder.
//
// [Reduce] is delta debugging (Zeller and Hildebrandt, "Simplifying and
// Isolating Failure-Inducing Input", IEEE TSE 28(2), 2002) over the parts of an
// experiment, with a run of the shop as its test. [Explicit] is where it begins:
// the experiment with nothing left to a seed.
package shrink

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/topology"
)

// A Test reports whether an experiment still fails in the way that is looked
// for. Its error ends the reduction.
type Test func(context.Context, chaos.Experiment) (bool, error)

// Rules say what else may be tried.
type Rules struct {
	// Fits refuses what is no experiment of the system, for which no run is made.
	Fits func(chaos.Experiment) error
	// Milder returns the parameters of a harm, each time with another one of
	// them made milder.
	Milder func(chaos.Spec) [][]byte
}

// ErrSpent is what a [Test] returns when no more runs are to be made: the
// reduction ends with the smallest that it has found.
var ErrSpent = errors.New("no runs are left")

// A Size counts what an experiment harms.
type Size struct {
	Steps   int           `json:"steps"`
	Victims int           `json:"victims"` // instances, or callers and callees of edges, of all steps
	Harm    time.Duration `json:"harm"`    // the sum of the steps' lengths
}

// Of returns the size of an explicit experiment.
func Of(e chaos.Experiment) Size {
	s := Size{Steps: len(e.Method)}
	for _, step := range e.Method {
		s.Victims += len(step.Selector.Instances)
		if step.Target != nil {
			s.Victims += len(step.Target.Instances)
		}
		s.Harm += step.Duration.D()
	}
	return s
}

// Explicit returns an experiment whose steps name the victims and moments that
// the schedule chose for it. last is how long a step takes that lasts to the end
// of the fault phase.
func Explicit(e chaos.Experiment, s chaos.ScheduledExperiment, last time.Duration) (chaos.Experiment, error) {
	if len(e.Method) != len(s.Faults) {
		return e, errors.New("the schedule is of another experiment")
	}
	e.Method = slices.Clone(e.Method)
	for i, r := range s.Faults {
		step := &e.Method[i]
		step.Mode, step.Value, step.Share = chaos.All, 0, 100
		if step.Duration == 0 && e.Watch == 0 { // of a watch, what lasts is the ground that it stands on
			step.Duration = topology.Duration(last) - step.At
		}
		step.Selector = chaos.Selector{Instances: r.Instances}
		if step.Target == nil {
			continue
		}
		var from, to []string
		for _, l := range r.Links {
			from, to = append(from, l.From), append(to, l.To)
		}
		step.Selector, step.Target = chaos.Selector{Instances: unique(from)}, &chaos.Selector{Instances: unique(to)}
	}
	return e, nil
}

func unique(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

// The shortest step and the finest change of one: a harm shorter than the
// probe's second cannot be proven, and half a second more or less says nothing.
const (
	leastStep = topology.Duration(time.Second)
	grain     = topology.Duration(500 * time.Millisecond)
)

// Reduce returns the smallest experiment that it finds to fail still: one of
// which no single part can go. e is explicit and fails. With [ErrSpent] or another
// error of the test, the experiment is the smallest until then.
func Reduce(ctx context.Context, e chaos.Experiment, r Rules, test Test) (chaos.Experiment, error) {
	fails := func(c chaos.Experiment) (bool, error) {
		if r.Fits(c) != nil {
			return false, nil
		}
		return test(ctx, c)
	}
	for {
		before := e
		for _, reduce := range []pass{steps, victims, lengths, r.magnitudes} {
			var err error
			if e, err = reduce(e, fails); err != nil {
				return e, err
			}
		}
		if same(before, e) {
			return e, nil
		}
	}
}

// A pass reduces one aspect of an experiment.
type pass func(e chaos.Experiment, fails func(chaos.Experiment) (bool, error)) (chaos.Experiment, error)

// same reports whether a round of all passes has changed nothing.
func same(a, b chaos.Experiment) bool {
	return slices.EqualFunc(a.Method, b.Method, func(a, b chaos.Step) bool {
		return a.At == b.At && a.Duration == b.Duration && string(a.Args) == string(b.Args) &&
			slices.Equal(a.Selector.Instances, b.Selector.Instances) &&
			(a.Target == nil || slices.Equal(a.Target.Instances, b.Target.Instances))
	})
}

// with returns the experiment with one step changed.
func with(e chaos.Experiment, i int, change func(*chaos.Step)) chaos.Experiment {
	e.Method = slices.Clone(e.Method)
	change(&e.Method[i])
	return e
}

func steps(e chaos.Experiment, fails func(chaos.Experiment) (bool, error)) (chaos.Experiment, error) {
	kept, err := fewer(e.Method, func(some []chaos.Step) (bool, error) {
		c := e
		c.Method = some
		return fails(c)
	})
	e.Method = kept
	return e, err
}

func victims(e chaos.Experiment, fails func(chaos.Experiment) (bool, error)) (chaos.Experiment, error) {
	for i := range e.Method {
		kept, err := fewer(e.Method[i].Selector.Instances, func(some []string) (bool, error) {
			return fails(with(e, i, func(s *chaos.Step) { s.Selector.Instances = some }))
		})
		e = with(e, i, func(s *chaos.Step) { s.Selector.Instances = kept })
		if err != nil || e.Method[i].Target == nil {
			if err != nil {
				return e, err
			}
			continue
		}
		kept, err = fewer(e.Method[i].Target.Instances, func(some []string) (bool, error) {
			return fails(with(e, i, func(s *chaos.Step) { s.Target = &chaos.Selector{Instances: some} }))
		})
		e = with(e, i, func(s *chaos.Step) { s.Target = &chaos.Selector{Instances: kept} })
		if err != nil {
			return e, err
		}
	}
	return e, nil
}

// lengths makes each step shorter by bisection, and lets it begin at once.
func lengths(e chaos.Experiment, fails func(chaos.Experiment) (bool, error)) (chaos.Experiment, error) {
	for i := range e.Method {
		if e.Method[i].At > 0 {
			c := with(e, i, func(s *chaos.Step) { s.At = 0 })
			ok, err := fails(c)
			if err != nil {
				return e, err
			}
			if ok {
				e = c
			}
		}
		low, high := topology.Duration(0), e.Method[i].Duration // the longest that does not fail, the shortest that does
		for high-low > grain {
			next := max(((low + high) / 2 / grain * grain), leastStep)
			if next >= high || next <= low {
				break
			}
			c := with(e, i, func(s *chaos.Step) { s.Duration = next })
			ok, err := fails(c)
			if err != nil {
				return e, err
			}
			if ok {
				e, high = c, next
			} else {
				low = next
			}
		}
	}
	return e, nil
}

// magnitudes halves each parameter for as long as it still fails.
func (r Rules) magnitudes(e chaos.Experiment, fails func(chaos.Experiment) (bool, error)) (chaos.Experiment, error) {
	for i := range e.Method {
		for milder := true; milder; {
			milder = false
			for _, args := range r.Milder(e.Method[i].Spec) {
				c := with(e, i, func(s *chaos.Step) { s.Args = args })
				ok, err := fails(c)
				if err != nil {
					return e, err
				}
				if ok {
					e, milder = c, true
					break
				}
			}
		}
	}
	return e, nil
}
