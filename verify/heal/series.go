package heal

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"

	"github.com/bedlamlab/bedlam/verify/results"
)

// A series is the moments that workers divide among them.
type series struct {
	o       Options
	moments []Moment

	mu   sync.Mutex
	next int // of the moments
	done []Proof
}

// series reads what has been done, and lists what there is to do.
func (o Options) series() (*series, error) {
	s := &series{o: o}
	done, err := results.Read(o.Results, func(p Proof) bool { return p.Commit == o.Commit && p.Seed == o.Seed && p.Engine == o.Engine })
	if err != nil {
		return s, err
	}
	s.done = slices.DeleteFunc(done, func(p Proof) bool { return (p.Fault != "") != o.Faults })
	s.moments = Moments(o.Engine, o.Seed, o.Moments)
	if o.Faults {
		s.moments, err = Cases(o.Engine)
	}
	return s, err
}

// work does moments until there are no more. Its ground is its own: nothing that
// is looked at there can be another worker's.
func (s *series) work(ctx context.Context) error {
	ground, err := Prepare(s.o.Programs, s.o.Engine)
	if err != nil {
		return err
	}
	defer ground.Close()
	for {
		i, more := s.take()
		if !more {
			return nil
		}
		p, err := struck(ctx, ground, s.moments[i])
		if err != nil {
			return fmt.Errorf("moment %d (%s): %w", i, s.moments[i], err)
		}
		if err := s.note(i, p, ground); err != nil {
			return err
		}
	}
}

// take returns the next moment that is not done. What an engine cannot do is
// asked for once.
func (s *series) take() (i int, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.next < len(s.moments) {
		i, s.next = s.next, s.next+1
		if !slices.ContainsFunc(s.done, func(p Proof) bool { return p.Index == i || p.Unable != "" && p.Fault == s.moments[i].Fault }) {
			return i, true
		}
	}
	return 0, false
}

// note holds a proof against the limits, appends and tells it.
func (s *series) note(i int, p Proof, g *Ground) error {
	p.Commit, p.Machine, p.Seed, p.Index = s.o.Commit, s.o.Machine, s.o.Seed, i
	if limit := Limit(s.o.Engine); p.Seconds > limit.Seconds() {
		p.Reasons = append(p.Reasons, fmt.Sprintf("it took %.1f s until nothing was left, more than %s", p.Seconds, limit))
		p.OK = false
	}
	if p.Lifted > LiftLimit.Seconds() {
		p.Reasons = append(p.Reasons, fmt.Sprintf("it took %.1f s until the fault was lifted, more than %s", p.Lifted, LiftLimit))
		p.OK = false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := results.Append(s.o.Results, p); err != nil {
		return err
	}
	if s.done = append(s.done, p); s.o.Tell != nil {
		s.o.Tell(p.String())
	}
	if p.OK {
		return nil
	}
	return g.keep(filepath.Join(filepath.Dir(s.o.Results), "kept"))
}
