package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
)

// The gates' figures.
const (
	// lagLimit is the lateness of a send that changes what is measured: a
	// latency of some milliseconds would be the generator's own.
	lagLimit = 0.010 // s
	// lagShare of the requests may be late: their own percentile is never printed.
	lagShare = 0.01
	// healthy is the least goodput of a baseline: below it, what is wrong in
	// the fault phase was wrong before.
	healthy = 0.99
)

// gates are the conditions without which a run says nothing.
func gates(m *meter) []chaos.Gate {
	return []chaos.Gate{complete(m), generator(m), healthyBaseline(m)}
}

// complete: the record has all that the run did.
func complete(m *meter) chaos.Gate {
	g := chaos.Gate{Name: "record", OK: true, Text: "the record is complete"}
	torn := slices.Clone(m.rec.Torn)
	kinds := map[chaos.EntryKind]bool{}
	for _, e := range m.rec.Journal {
		kinds[e.Kind] = true
		if e.Kind == chaos.Interrupted {
			torn = append(torn, "the run was interrupted")
		}
	}
	if !kinds[chaos.RunEnded] {
		torn = append(torn, "the journal has no end: the run was cut short")
	}
	if len(m.rec.Requests) == 0 {
		torn = append(torn, "there are no requests")
	}
	if len(torn) > 0 {
		g.OK, g.Text = false, "the record is not complete: "+strings.Join(torn, "; ")
	}
	return g
}

// generator: the load was what was asked for.
func generator(m *meter) chaos.Gate {
	late, n := 0, 0
	for _, r := range m.rec.Requests {
		n++
		if r.Lag().Seconds() > lagLimit {
			late++
		}
	}
	g := chaos.Gate{Name: "generator", OK: n > 0 && float64(late) <= lagShare*float64(n)}
	g.Text = fmt.Sprintf("the generator sent %d of %d requests more than %g ms late (at most %g %% may be)", late, n, lagLimit*1000, lagShare*100)
	return g
}

// healthyBaseline: the system was well before it was harmed.
func healthyBaseline(m *meter) chaos.Gate {
	g := chaos.Gate{Name: "baseline"}
	rs := m.due(m.baseline)
	n := 0
	for _, r := range rs {
		if good(r) {
			n++
		}
	}
	if len(rs) == 0 {
		g.Text = "there is no baseline"
		return g
	}
	share := float64(n) / float64(len(rs))
	g.OK = share >= healthy
	g.Text = fmt.Sprintf("the baseline's goodput was %.2f %% of %d requests (at least %g %%)", 100*share, len(rs), 100*healthy)
	return g
}

// load says what the generator did.
func (m *meter) load() chaos.Load {
	l := chaos.Load{Rate: m.rec.Header.Rate, Requests: len(m.rec.Requests), Outcomes: map[string]int{}}
	var lags []float64
	journeys := map[uint64]bool{}
	sent := 0
	for _, r := range m.rec.Requests {
		journeys[r.Journey] = true
		l.Outcomes[r.Outcome.String()]++
		lags = append(lags, r.Lag().Seconds())
		if r.Sent > 0 || r.Outcome != loadgen.Failed {
			sent++
		}
	}
	l.Journeys = len(journeys)
	if len(lags) > 0 {
		slices.SortFunc(lags, cmp.Compare[float64])
		l.LagP99 = lags[min(len(lags)-1, len(lags)*99/100)]
		l.Achieved = float64(sent) / float64(len(lags))
	}
	return l
}
