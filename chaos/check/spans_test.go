package check_test

import (
	"slices"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// spanSet answers questions about spans, without an order of its own.
type spanSet struct {
	all     []collector.Span
	byTrace map[collector.TraceID][]collector.Span
}

func index(all []collector.Span) *spanSet {
	s := &spanSet{all: all, byTrace: map[collector.TraceID][]collector.Span{}}
	for _, sp := range all {
		s.byTrace[sp.Trace] = append(s.byTrace[sp.Trace], sp)
	}
	for _, of := range s.byTrace {
		slices.SortFunc(of, func(a, b collector.Span) int { return a.Start.Compare(b.Start) })
	}
	return s
}

func (s *spanSet) Trace(id collector.TraceID) []collector.Span { return s.byTrace[id] }

func (s *spanSet) Between(from, to time.Time, yield func(collector.Span) bool) {
	for i := range s.all {
		sp := &s.all[i] // most are not asked for, and a copy of each is what the race detector is slow at
		if sp.Start.Before(to) && sp.End.After(from) && !yield(*sp) {
			return
		}
	}
}

var _ chaos.Spans = (*spanSet)(nil)
