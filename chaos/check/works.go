package check

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// A work is one unit of work, such as the handling of a request, and the calls
// that were made directly for it. Works are kept only if one of their attempts
// did not end well or was repeated: the others have nothing to tell about failures.
//
//	gateway: GET /api/home                  ◀ the work
//	├ recommend.For    attempt 1 ✗ 2 ✗      ◀ a trial: one call in all its attempts
//	└ catalog.List     attempt 1 ✓          ◀ another
type work struct {
	span   collector.Span // without a kind: it was never exported, as that of a killed process
	trials []*trial       // by start
}

// A trial is one call, in all of its attempts.
type trial struct {
	edge  topology.Edge
	tries []collector.Span // by number
	vague bool             // calls alike ran side by side: whose attempt is whose cannot be told
}

func (t *trial) first() collector.Span { return t.tries[0] }
func (t *trial) last() collector.Span  { return t.tries[len(t.tries)-1] }

// decisive is the attempt that says how the call ended: the last, but of hedges,
// which run side by side, whichever was answered; if none was, the last that
// failed and was not called off.
func (t *trial) decisive() collector.Span {
	if t.edge.Policy.Hedge == 0 {
		return t.last()
	}
	for _, of := range []func(collector.Span) bool{
		func(s collector.Span) bool { return !s.Error && s.Code != "CANCELLED" },
		func(s collector.Span) bool { return s.Error },
	} {
		for _, s := range slices.Backward(t.tries) {
			if of(s) {
				return s
			}
		}
	}
	return t.last()
}

// failed reports whether the call as a whole did.
func (t *trial) failed() bool { return t.decisive().Error }

// request reports whether somebody waits for the work: it answers a request,
// as against a loop of the service's own.
func (w *work) request() bool { return w.span.Kind == collector.Server }

// answeredOK reports whether the work was answered as if all had gone well.
func (w *work) answeredOK() bool {
	s := w.span
	if !w.request() || s.Error {
		return false
	}
	status, err := strconv.Atoi(s.Code)
	return s.Code == "OK" || err == nil && status >= 200 && status < 300
}

// A spot is a span of a trace.
type spot struct {
	trace collector.TraceID
	span  collector.SpanID
}

// around is how far beyond the fault phase the other calls of a work may lie: a
// request lasts a few seconds at most.
const around = 10 * time.Second

// troubled returns the works of the fault phase in which an attempt did not end
// well or was repeated, by start.
func (v *view) troubled() []*work {
	if v.works != nil || v.m.rec.Spans == nil || v.fault.To <= v.fault.From {
		return v.works
	}
	from, to := v.m.moment(v.fault.From), v.m.moment(v.fault.To)
	at := map[spot]*work{}
	v.m.rec.Spans.Between(from, to, func(s collector.Span) bool {
		trouble := s.Error || s.Attempt > 1 || s.Code != "OK" && len(s.Code) > len("200")
		if s.Attempt > 0 && trouble && s.Parent != (collector.SpanID{}) && !s.Start.Before(from) && s.Start.Before(to) {
			at[spot{s.Trace, s.Parent}] = &work{}
		}
		return true
	})
	calls := map[*work][]collector.Span{}
	v.m.rec.Spans.Between(from.Add(-around), to.Add(around), func(s collector.Span) bool {
		if w := at[spot{s.Trace, s.ID}]; w != nil {
			w.span = s
		}
		if s.Attempt > 0 {
			if w := at[spot{s.Trace, s.Parent}]; w != nil {
				calls[w] = append(calls[w], s)
			}
		}
		return true
	})
	v.works = []*work{}
	for _, w := range at {
		w.trials = v.m.trials(calls[w])
		if len(w.trials) > 0 {
			v.works = append(v.works, w)
		}
	}
	slices.SortFunc(v.works, func(a, b *work) int { return byStart(a.trials[0].first(), b.trials[0].first()) })
	return v.works
}

// byStart orders spans by start, and those that began at once by what they are.
func byStart(a, b collector.Span) int {
	return cmp.Or(a.Start.Compare(b.Start), bytes.Compare(a.Trace[:], b.Trace[:]), cmp.Compare(a.Attempt, b.Attempt), bytes.Compare(a.ID[:], b.ID[:]))
}

// trials puts the attempts of one work together into calls, by start.
func (m *meter) trials(attempts []collector.Span) []*trial {
	slices.SortFunc(attempts, byStart)
	type callee struct{ peer, method string }
	open := map[callee][]*trial{} // those that another attempt may belong to
	var all []*trial
	for _, s := range attempts {
		e, known := m.edges[[2]string{s.Service, s.Peer}]
		if !known {
			continue
		}
		to := callee{s.Peer, s.Name}
		var of []*trial
		for _, t := range open[to] {
			if last := t.last(); last.Attempt == s.Attempt-1 && (e.Policy.Hedge > 0 || !last.End.After(s.Start)) {
				of = append(of, t)
			}
		}
		if s.Attempt == 1 || len(of) == 0 {
			t := &trial{edge: e, tries: []collector.Span{s}}
			open[to] = append(open[to], t)
			all = append(all, t)
			continue
		}
		t := of[len(of)-1]
		t.tries = append(t.tries, s)
		t.vague = t.vague || len(of) > 1
	}
	return all
}

// transient reports whether a call that ended so may end otherwise a moment
// later or elsewhere.
func transient(code string) bool {
	return code == "UNAVAILABLE" || code == "DEADLINE_EXCEEDED" || code == "ABORTED"
}

// final reports whether an answer is one that asking again cannot better: the
// work is done, it was refused for what it is, or the callee has too much to do
// already. Codes are those of gRPC, or of HTTP.
func final(code string) bool {
	switch code {
	case "OK", "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "UNAUTHENTICATED",
		"FAILED_PRECONDITION", "OUT_OF_RANGE", "UNIMPLEMENTED", "RESOURCE_EXHAUSTED":
		return true
	}
	status, err := strconv.Atoi(code)
	return err == nil && status >= 200 && status < 500 && status != 408 && status != 425
}

// unknown reports whether a call that ended so may have had its effect.
func unknown(code string) bool {
	switch code {
	case "UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "UNKNOWN", "INTERNAL":
		return true
	}
	return false
}

// kept reports whether an open breaker, or none to ask, kept an attempt at home.
func kept(s collector.Span) bool { return !sent(s) }

// allowed reads a span's attribute that holds milliseconds from its start: when
// it must have ended. Without the attribute it reports false; none at all is -1.
func allowed(s collector.Span, key string) (time.Duration, bool) {
	ms, err := strconv.ParseInt(s.Attrs[key], 10, 64)
	return time.Duration(ms) * time.Millisecond, err == nil
}

// The attributes of spans that say how long a call may take, what a request
// came with, and what a call asks for.
const (
	callDeadline    = "call.deadline_ms"
	requestDeadline = "request.deadline_ms"
	callKey         = "call.key"
	callOrder       = "call.order"
)
