package check

import (
	"math"

	"github.com/bedlamlab/bedlam/chaos"
)

// healed is how long it took to put right what was broken: from the order to
// lift until a probe saw that the fault was gone, of several faults the longest.
// Where the run was cut short, it counts from the last sign of life of whoever
// ran it until another process had lifted the fault.
func (v *view) healed() reading {
	longest, n := 0.0, 0
	for _, f := range v.faults {
		ordered := float64(never)
		for _, e := range v.entries {
			took := float64(never)
			switch at := v.m.at(e.Time); {
			case e.ID != f.ID:
			case e.Kind == chaos.Lifting && ordered < 0:
				ordered = at
			case e.Kind == chaos.LiftProven && ordered >= 0:
				took = at - ordered
			case e.Kind == chaos.Healed:
				took = at - v.m.lastSign()
			}
			if took >= 0 {
				longest, n = max(longest, took), n+1
			}
		}
	}
	if n == 0 {
		return reading{}
	}
	longest = math.Round(longest*1000) / 1000
	return reading{&longest, n}
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
	since = math.Round(since*10) / 10
	return reading{&since, n}
}
