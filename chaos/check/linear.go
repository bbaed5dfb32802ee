package check

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/bedlamlab/bedlam/observability/collector"
)

const (
	// linearFor bounds the search of one invariant. A history that can be
	// explained is explained in milliseconds; one that cannot takes longer the
	// more calls lie side by side, and then its sums are wrong too.
	linearFor = 2 * time.Second
	// mostOpen is how many calls of one thing may have an unknown end: each of
	// them doubles what has to be tried.
	mostOpen = 16
)

// forEver is the end of a call of which nobody knows whether it took effect:
// it may still do so.
const forEver = math.MaxInt64

// A story is all that was done to one thing, to be explained by a model: is
// there an order of the calls, true to the times at which they began and ended,
// in which each has the end that was seen?
type story struct {
	violation // what is to be said if there is none
	calls     []porcupine.Operation
}

// unexplained returns the violations of the stories that no order of their calls
// explains. What could not be told within linearFor is said in doubt.
func (b *books) unexplained(name string, model func(key string) porcupine.Model, stories map[string]*story) (n int, vs []violation) {
	end := time.Now().Add(linearFor)
	for _, key := range slices.Sorted(maps.Keys(stories)) {
		s := stories[key]
		n += len(s.calls)
		open := 0
		for _, c := range s.calls {
			if c.Return == forEver {
				open++
			}
		}
		left := time.Until(end)
		if open > mostOpen || left <= 0 {
			b.doubts[name] = "not every history could be explained in time, such as that of " + key
			continue
		}
		switch porcupine.CheckOperationsTimeout(model(key), s.calls, left) {
		case porcupine.Illegal:
			vs = append(vs, s.violation)
		case porcupine.Unknown:
			b.doubts[name] = "not every history could be explained in time, such as that of " + key
		}
	}
	return n, vs
}

// asks are the attempts of a run that name an order or a key, and the sagas
// that were driven, by start.
type asks struct {
	attempts, sagas []collector.Span
}

func (m *meter) asks() *asks {
	a := &asks{}
	if m.rec.Spans == nil {
		return a
	}
	m.rec.Spans.Between(time.Time{}, m.moment(longest), func(s collector.Span) bool {
		switch {
		case s.Attempt > 0 && !kept(s) && (s.Attrs[callOrder] != "" || s.Attrs[callKey] != ""):
			a.attempts = append(a.attempts, s)
		case s.Attrs[sagaEpoch] != "":
			a.sagas = append(a.sagas, s)
		}
		return true
	})
	slices.SortFunc(a.attempts, byStart)
	slices.SortFunc(a.sagas, byStart)
	return a
}

// The attributes of the span of one who drives a saga.
const (
	sagaEpoch = "saga.epoch"
	shopOrder = "shop.order"
)
