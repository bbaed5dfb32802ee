package check

import (
	"fmt"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// overtime is how much later than its caller's a call's deadline may lie, and
// how much longer than its edge's timeout its time may be: both are whole
// milliseconds, and the span begins a little before its timer.
const overtime = 50 * time.Millisecond

// oneRequest is longer than any request lasts: what lies further apart was
// written by a clock that jumped.
const oneRequest = time.Minute

// unbounded is what an attempt says that may last for ever.
const unbounded = -time.Millisecond

// deadlines: who is asked is given no more time than who asks has left.
var deadlines = experimentCheck{
	Check: Check{"deadlines", "the deadline of a call lies before that of the request which makes it, and within its edge's timeout"},
	on:    onFacts,
	needs: "traces",
	judge: func(v *view) []chaos.Finding {
		if v.m.rec.Spans == nil {
			return nil
		}
		from, to := v.m.moment(v.fault.From), v.m.moment(v.fault.To)
		type term struct {
			began, ends time.Time
		}
		terms := map[spot]term{}
		v.m.rec.Spans.Between(from, to, func(s collector.Span) bool {
			if left, known := allowed(s, requestDeadline); known && left >= 0 && s.Kind == collector.Server {
				terms[spot{s.Trace, s.ID}] = term{s.Start, s.Start.Add(left)}
			}
			return true
		})
		later, longer := offences{}, offences{}
		v.m.rec.Spans.Between(from, to, func(s collector.Span) bool {
			left, known := allowed(s, callDeadline)
			e, edge := v.m.edges[[2]string{s.Service, s.Peer}]
			if !known || !edge || s.Attempt == 0 || s.Start.Before(from) || !s.Start.Before(to) {
				return true
			}
			limit := e.Policy.Timeout.D()
			switch t, below := terms[spot{s.Trace, s.Parent}]; {
			case left == unbounded && limit > 0:
				longer.add(e.Name(), s, "none at all")
			case limit > 0 && left > limit+overtime:
				longer.add(e.Name(), s, left.String())
			case below && left >= 0 && !s.Start.Before(t.began) && s.Start.Sub(t.began) < oneRequest && s.Start.Add(left).Sub(t.ends) > overtime:
				later.add(e.Name(), s, s.Start.Add(left).Sub(t.ends).Round(time.Millisecond).String())
			}
			return true
		})
		return v.unlessLate("fault", append(longer.findings("timeout", 1, func(edge string, n int, x offence) string {
			return fmt.Sprintf("%d attempts over %s were given more time than its timeout of %s, such as %s", n, edge, v.m.edgeNamed(edge).Policy.Timeout.D(), x.note)
		}), later.findings("deadline", 1, func(edge string, n int, x offence) string {
			return fmt.Sprintf("%d attempts over %s had a deadline after that of the request they were made for, such as one by %s: what they bring nobody waits for",
				n, edge, x.note)
		})...))
	},
}
