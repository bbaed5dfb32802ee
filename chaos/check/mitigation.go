package check

import (
	"time"

	"github.com/bedlamlab/bedlam/observability/collector"
)

// mitigated is when the system first did something about the fault by itself.
func (v *view) mitigated() reading {
	if v.m.untraced("") != "" || v.m.rec.Spans == nil {
		return reading{}
	}
	from, to := v.m.moment(v.fault.From), v.m.moment(v.fault.To)
	var first time.Time
	n := 0
	act := func(at time.Time) {
		if at.Before(from) || !at.Before(to) {
			return
		}
		if n++; first.IsZero() || at.Before(first) {
			first = at
		}
	}
	v.m.rec.Spans.Between(from, to, func(s collector.Span) bool {
		switch {
		case s.Attempt > 0 && kept(s), s.Attempt > 1 && !s.Error && s.Code != "CANCELLED":
			act(s.End)
		case s.Attrs["call.fallback"] == "true", s.Attrs["gate.shed"] == "true", s.Attrs["call.bulkhead.full"] != "":
			act(s.End)
		}
		return true
	})
	for _, e := range v.m.rec.Events {
		if e.Kind == "restarting" {
			act(e.Time)
		}
	}
	if n == 0 {
		return reading{}
	}
	took := first.Sub(from).Seconds()
	return reading{&took, n}
}

// deadWork is the share of the servers' time that went into what nobody waited
// for any more: after the caller's own span of the call had ended, or after the
// deadline that the request came with.
func (v *view) deadWork() reading {
	if v.m.untraced("") != "" || v.m.rec.Spans == nil {
		return reading{}
	}
	from, to := v.m.moment(v.fault.From), v.m.moment(v.fault.To)
	served := func(s collector.Span) bool {
		return s.Kind == collector.Server && !s.Start.Before(from) && s.Start.Before(to)
	}
	gone := map[spot]time.Time{} // when the caller of a request went away
	v.m.rec.Spans.Between(from, to.Add(around), func(s collector.Span) bool {
		if s.Attempt > 0 {
			gone[spot{s.Trace, s.ID}] = s.End
		}
		return true
	})
	n := 0
	var all, dead time.Duration
	v.m.rec.Spans.Between(from, to, func(s collector.Span) bool {
		if !served(s) {
			return true
		}
		n++
		until := s.End
		if end, known := gone[spot{s.Trace, s.Parent}]; known && end.Before(until) {
			until = end
		}
		if left, known := allowed(s, requestDeadline); known && left >= 0 && s.Start.Add(left).Before(until) {
			until = s.Start.Add(left)
		}
		all += s.Duration()
		dead += s.End.Sub(latest(s.Start, until))
		return true
	})
	if all <= 0 {
		return reading{}
	}
	x := float64(dead) / float64(all)
	return reading{&x, n}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
