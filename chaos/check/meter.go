package check

import (
	"slices"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
)

// A meter measures a record: it knows the run's clock and windows.
type meter struct {
	rec      *chaos.Record
	start    time.Time
	baseline chaos.Window
	stop     float64 // when the load stopped, or the last request was due
	views    []*view
}

// A view is one experiment's part of a record.
type view struct {
	m         *meter
	Name      string
	spec      chaos.Experiment
	faults    []chaos.Resolved
	entries   []chaos.Entry
	begun     float64 // when the experiment began
	baseline  chaos.Window
	fault     chaos.Window // from the first injected to the last lifting
	lifted    float64      // when the last fault was lifted
	after     chaos.Window // from the recovery to the next experiment
	ended     bool         // the journal saw its end
	recovered bool         // the runner saw goodput come back
	hops      []chaos.Hop  // set once they are known, for the checks
}

func newMeter(rec *chaos.Record) *meter {
	m := &meter{rec: rec, start: rec.Header.Start}
	for _, r := range rec.Requests {
		m.stop = max(m.stop, r.Due.Seconds())
	}
	for _, e := range rec.Journal {
		at := m.at(e.Time)
		switch e.Kind {
		case chaos.BaselineStarted:
			m.baseline.From = at
		case chaos.BaselineEnded:
			m.baseline.To = at
		case chaos.LoadStopped:
			m.stop = at
		}
	}
	for _, s := range rec.Schedule.Experiments {
		v := &view{m: m, Name: s.Name, faults: s.Faults, baseline: m.baseline, begun: -1}
		if i := slices.IndexFunc(rec.Plan.Experiments, func(e chaos.Experiment) bool { return e.Name == s.Name }); i >= 0 {
			v.spec = rec.Plan.Experiments[i]
		}
		v.read()
		m.views = append(m.views, v)
	}
	for i, v := range m.views {
		if v.begun < 0 {
			continue
		}
		v.after.To = m.stop
		if i+1 < len(m.views) && m.views[i+1].begun >= 0 {
			v.after.To = m.views[i+1].begun
		}
		v.after.From = min(v.after.From, v.after.To)
	}
	return m
}

// read takes the experiment's windows from the journal.
func (v *view) read() {
	for _, e := range v.m.rec.Journal {
		if e.Experiment != v.Name {
			continue
		}
		v.entries = append(v.entries, e)
		at := v.m.at(e.Time)
		switch e.Kind {
		case chaos.ExperimentBegun:
			v.begun = at
		case chaos.Injected:
			if v.fault.From == 0 {
				v.fault.From = at
			}
		case chaos.Lifting:
			v.fault.To = at
		case chaos.Lifted:
			v.lifted = at
			v.after.From = at
		case chaos.Recovered:
			v.recovered = true
			// What came before belongs to the recovery, which has a limit of its own.
			v.after.From = max(v.lifted, at-recoveredFor)
		case chaos.ExperimentEnded:
			v.ended = true
		}
	}
	v.fault.To = max(v.fault.From, v.fault.To)
}

// has reports whether the journal has an entry of a kind, and its detail.
func (v *view) has(kind chaos.EntryKind) (string, bool) {
	for _, e := range v.entries {
		if e.Kind == kind {
			return e.Detail, true
		}
	}
	return "", false
}

// at returns a moment as seconds of the run.
func (m *meter) at(t time.Time) float64 { return t.Sub(m.start).Seconds() }

// moment returns seconds of the run as a moment.
func (m *meter) moment(s float64) time.Time {
	return m.start.Add(time.Duration(s * float64(time.Second)))
}

// length is the run's, in seconds.
func (m *meter) length() float64 {
	if n := len(m.rec.Journal); n > 0 {
		return m.at(m.rec.Journal[n-1].Time)
	}
	return m.stop
}

// due returns the requests that were due in a window, by due time.
func (m *meter) due(w chaos.Window) []loadgen.Request {
	find := func(s float64) int {
		i, _ := slices.BinarySearchFunc(m.rec.Requests, s, func(r loadgen.Request, s float64) int {
			if r.Due.Seconds() < s {
				return -1
			}
			return 1
		})
		return i
	}
	from, to := find(w.From), find(w.To)
	if to <= from {
		return nil
	}
	return m.rec.Requests[from:to]
}

// viewAt returns the experiment in whose time a moment falls; nil before the
// first.
func (m *meter) viewAt(s float64) *view {
	var at *view
	for _, v := range m.views {
		if v.begun >= 0 && v.begun <= s {
			at = v
		}
	}
	return at
}

// good reports whether a request counts for goodput.
func good(r loadgen.Request) bool { return r.Useful() }
