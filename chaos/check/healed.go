package check

import (
	"slices"

	"github.com/bedlamlab/bedlam/chaos"
)

// healed is how long it took to put right what was broken: from the order to
// lift until a probe saw that the fault was gone, of several faults the longest.
// Where the run was cut short, it counts from the last sign of life of whoever
// ran it until another process had lifted the fault.
func (v *view) healed() reading {
	var took []float64
	for _, f := range v.faults {
		if ordered, was := v.first(f.ID, chaos.Lifting); was {
			if gone, was := v.last(f.ID, chaos.LiftProven); was {
				took = append(took, max(0, gone.Time.Sub(ordered.Time).Seconds()))
			}
		}
		if gone, was := v.last(f.ID, chaos.Healed); was {
			took = append(took, max(0, v.m.at(gone.Time)-v.m.lastSign()))
		}
	}
	if len(took) == 0 {
		return reading{}
	}
	most := slices.Max(took)
	return reading{&most, len(took)}
}

// first returns the first entry of a kind about a fault.
func (v *view) first(id string, kind chaos.EntryKind) (chaos.Entry, bool) {
	for _, e := range v.entries {
		if e.ID == id && e.Kind == kind {
			return e, true
		}
	}
	return chaos.Entry{}, false
}

// lastSign is when the run's own process last gave a sign of life: an entry of
// its journal, a request that ended, an event of its engine. What heals after it
// knows of no experiment.
func (m *meter) lastSign() float64 {
	last := 0.0
	for _, e := range m.rec.Journal {
		if e.Experiment != "" || e.ID == "" {
			last = max(last, m.at(e.Time))
		}
	}
	for _, r := range m.rec.Requests {
		last = max(last, min(longest, r.Done.Seconds()))
	}
	for _, e := range m.rec.Events {
		last = max(last, m.at(e.Time))
	}
	return last
}

// adapted is how long it took until the system was well with the fault still on,
// and stayed so until its end. It has no value if it did not, or if the fault
// was too short to tell.
func (v *view) adapted() reading {
	normal := v.m.sample(v.baseline, "", fromDue)
	if !v.harmed || normal.n == 0 || v.fault.To-v.fault.From < recoveredFor {
		return reading{}
	}
	least := float64(normal.good)/float64(normal.n) - band
	since, well := 0.0, false
	v.m.sliding(v.fault, least, fromDue, func(begin float64, in bool) bool {
		if in && !well {
			since = begin - v.fault.From
		}
		well = in
		return true
	})
	n := int(v.fault.To - v.fault.From)
	if !well {
		return reading{nil, n}
	}
	since = tenths(since)
	return reading{&since, n}
}
