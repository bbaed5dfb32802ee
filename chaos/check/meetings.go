package check

import (
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// A stretch is the time for which one fault was on.
type stretch struct {
	id       string
	met      chaos.Witnessed
	from, to time.Time
}

// stretchOf is when a fault was on, by its entries in the journal, at most until
// end; false if it never was.
func stretchOf(id string, met chaos.Witnessed, entries []chaos.Entry, end time.Time) (stretch, bool) {
	s := stretch{id: id, met: met}
	for _, e := range entries {
		if e.ID != id {
			continue
		}
		switch e.Kind {
		case chaos.Injecting, chaos.Injected:
			if s.from.IsZero() {
				s.from = e.Time
			}
		case chaos.Lifted, chaos.LiftProven, chaos.Healed:
			if s.to.IsZero() {
				s.to = e.Time
			}
		}
	}
	if s.to.IsZero() {
		s.to = end
	}
	return s, !s.from.IsZero()
}

// holds reports whether a span met the fault.
func (s stretch) holds(span collector.Span) bool {
	return span.Start.Before(s.to) && span.End.After(s.from) && s.met.Met(span)
}

// traces are those whose spans met the fault.
func (s stretch) traces(spans chaos.Spans) map[collector.TraceID]bool {
	met := map[collector.TraceID]bool{}
	spans.Between(s.from, s.to, func(span collector.Span) bool {
		if s.holds(span) {
			met[span.Trace] = true
		}
		return true
	})
	return met
}

// Meetings counts, by fault, the requests of a record's history whose traces
// met it while it was on. A fault that no trace can show is left out; one that
// was never begun is, too. The faults are given by their IDs in the journal:
// a record may have some that are in no schedule.
func Meetings(rec *chaos.Record, faults map[string]chaos.Fault) map[string]int {
	if rec.Spans == nil || len(rec.Journal) == 0 {
		return nil
	}
	requests := make(map[collector.TraceID]bool, len(rec.Requests))
	for i := range rec.Requests {
		requests[rec.Requests[i].TraceID] = true
	}
	entries := map[string][]chaos.Entry{}
	for _, e := range rec.Journal {
		entries[e.ID] = append(entries[e.ID], e)
	}
	end := rec.Journal[len(rec.Journal)-1].Time
	met := map[string]int{}
	for id, f := range faults {
		w, ok := f.(chaos.Witnessed)
		if !ok {
			continue
		}
		on, ok := stretchOf(id, w, entries[id], end)
		if !ok {
			continue
		}
		met[id] = 0
		for trace := range on.traces(rec.Spans) {
			if requests[trace] {
				met[id]++
			}
		}
	}
	return met
}
