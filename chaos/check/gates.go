package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
)

// healthy is the least goodput of a baseline: below it, what is wrong in the
// fault phase was wrong before.
const healthy = 0.99

// gates are the conditions without which a run says nothing. The first and the
// last decide about all of it; a generator that was late only in some
// experiments leaves the others their verdicts.
func gates(m *meter) []chaos.Gate {
	record, baseline := complete(m), healthyBaseline(m)
	m.sound = record.OK && baseline.OK
	return []chaos.Gate{record, generator(m), baseline}
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
	if len(m.requests) == 0 {
		torn = append(torn, "there are no requests")
	}
	if len(torn) > 0 {
		g.OK, g.Text = false, "the record is not complete: "+strings.Join(torn, "; ")
	}
	return g
}

// healthyBaseline: the system was well before it was harmed.
func healthyBaseline(m *meter) chaos.Gate {
	g := chaos.Gate{Name: "baseline"}
	s := m.sample(m.baseline, "", fromDue)
	if s.n == 0 {
		g.Text = "there is no baseline"
		return g
	}
	share := float64(s.good) / float64(s.n)
	g.OK = share >= healthy
	g.Text = fmt.Sprintf("the baseline's goodput was %.2f %% of %d requests (at least %g %%)", 100*share, s.n, 100*healthy)
	return g
}

// load says what the customers did, and how much was asked for besides.
func (m *meter) load() chaos.Load {
	l := chaos.Load{Rate: finite(m.rec.Header.Rate), Requests: len(m.requests), Surges: len(m.all) - len(m.requests), Outcomes: map[string]int{}}
	var lags []float64
	journeys := map[uint64]bool{}
	sent := 0
	for _, r := range m.requests {
		journeys[r.Journey] = true
		l.Outcomes[r.Outcome.String()]++
		lags = append(lags, r.Lag().Seconds())
		if r.Reason != "no_slot" { // of the generator's own, that it could not send it
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
