package check

import (
	"bytes"
	"cmp"
	"slices"
	"sort"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// never is a time that did not come; those of a run are not negative.
const never = -1

// longest is more than any run lasts, in seconds: what lies further off is a
// broken clock, and must not size anything.
const longest = 7 * 24 * 3600

// A meter measures a record: it knows the run's clock and windows.
type meter struct {
	rec      *chaos.Record
	requests []loadgen.Request // the customers', by due time
	all      []loadgen.Request // those of surges among them; the same if there were none
	surging  map[collector.TraceID]bool
	start    time.Time
	baseline chaos.Window
	stop     float64 // when the load stopped, or the last request was due
	end      float64 // of the journal, or of the load
	views    []*view
	sound    bool // the record is whole and the baseline was healthy; set by gates
	edges    map[[2]string]topology.Edge
	samples  map[sampleKey]*sample
	counts   map[chaos.Window]calls
	flows    map[chaos.Window]map[string]int
	held     map[gauge][]holding
}

// A view is one experiment's part of a record. Times are seconds of the run.
type view struct {
	m         *meter
	Name      string
	spec      chaos.Experiment
	faults    []chaos.Resolved
	entries   []chaos.Entry
	begun     float64 // or never
	harmed    bool    // a fault was injected
	baseline  chaos.Window
	fault     chaos.Window // from the first injected to the last lifting
	lifted    float64      // when the last fault was lifted, or never
	after     chaos.Window // from the recovery to the next experiment
	ended     bool         // the journal saw its end
	injection chaos.Injection
	works     []*work            // see troubled; made when they are asked for
	lates     map[string]string  // by phase, how far the generator fell behind; made as they are asked for
	back      *chaos.Restoration // made when it is asked for
}

func newMeter(rec *chaos.Record) *meter {
	m := &meter{rec: rec, all: rec.Requests, start: rec.Header.Start, edges: map[[2]string]topology.Edge{},
		samples: map[sampleKey]*sample{}, counts: map[chaos.Window]calls{}, flows: map[chaos.Window]map[string]int{}, held: map[gauge][]holding{}}
	if !slices.IsSortedFunc(m.all, func(a, b loadgen.Request) int { return byDue(&a, &b) }) {
		m.all = sortedByDue(m.all)
	}
	m.requests, m.surging = apart(m.all)
	for _, e := range rec.Plan.Topology.Edges {
		m.edges[[2]string{e.From, e.To}] = e
	}
	for _, r := range rec.Requests {
		m.stop = max(m.stop, r.Due.Seconds())
	}
	m.stop = min(m.stop, longest)
	for _, e := range rec.Journal {
		at := m.at(e.Time)
		m.end = max(m.end, at)
		switch e.Kind {
		case chaos.BaselineStarted:
			m.baseline = chaos.Window{From: at, To: at}
		case chaos.BaselineEnded:
			m.baseline.To = max(m.baseline.From, at)
		case chaos.LoadStopped:
			m.stop = at
		}
	}
	m.end = max(m.end, m.stop)
	for _, s := range rec.Schedule.Experiments {
		v := &view{m: m, Name: s.Name, faults: s.Faults, baseline: m.baseline, begun: never, lifted: never, lates: map[string]string{}}
		if i := slices.IndexFunc(rec.Plan.Experiments, func(e chaos.Experiment) bool { return e.Name == s.Name }); i >= 0 {
			v.spec = rec.Plan.Experiments[i]
		}
		v.read()
		m.views = append(m.views, v)
	}
	for _, v := range m.views {
		v.bound()
	}
	return m
}

// byDue orders requests by due time, and those that were due at once by what
// they are, so that the order does not depend on that of writing.
func byDue(a, b *loadgen.Request) int {
	return cmp.Or(cmp.Compare(a.Due, b.Due), cmp.Compare(a.Journey, b.Journey), cmp.Compare(a.Step, b.Step), bytes.Compare(a.TraceID[:], b.TraceID[:]))
}

// sortedByDue sorts places and not requests, which are large.
func sortedByDue(rs []loadgen.Request) []loadgen.Request {
	places := make([]int, len(rs))
	for i := range places {
		places[i] = i
	}
	slices.SortFunc(places, func(a, b int) int { return byDue(&rs[a], &rs[b]) })
	out := make([]loadgen.Request, len(rs))
	for i, p := range places {
		out[i] = rs[p]
	}
	return out
}

// apart returns the requests of customers, and the traces of the others: those
// of surges are load and not customers, so that no figure counts them. What they
// were told is held against the books like everybody's.
func apart(all []loadgen.Request) ([]loadgen.Request, map[collector.TraceID]bool) {
	surges := 0
	for i := range all {
		if all[i].Surge != "" {
			surges++
		}
	}
	if surges == 0 {
		return all, nil
	}
	customers := make([]loadgen.Request, 0, len(all)-surges)
	traces := make(map[collector.TraceID]bool, surges)
	for i := range all {
		if all[i].Surge == "" {
			customers = append(customers, all[i])
		} else {
			traces[all[i].TraceID] = true
		}
	}
	return customers, traces
}

// owns reports whether a journal's entry is about the experiment. One that was
// written by a later healing names the fault only.
func (v *view) owns(e chaos.Entry) bool {
	return e.Experiment == v.Name || e.Experiment == "" && e.ID != "" &&
		slices.ContainsFunc(v.faults, func(f chaos.Resolved) bool { return f.ID == e.ID })
}

// read takes the experiment's windows from the journal.
func (v *view) read() {
	lifting, recovered := float64(never), float64(never)
	for _, e := range v.m.rec.Journal {
		if !v.owns(e) {
			continue
		}
		v.entries = append(v.entries, e)
		switch at := v.m.at(e.Time); e.Kind {
		case chaos.ExperimentBegun:
			v.begun = at
		case chaos.Injected:
			if !v.harmed {
				v.harmed, v.fault.From = true, at
			}
		case chaos.Lifting:
			lifting = at
		case chaos.Lifted:
			v.lifted = at
		case chaos.Recovered:
			recovered = at
		case chaos.ExperimentEnded:
			v.ended = true
		}
	}
	if !v.harmed {
		return
	}
	v.fault.To = v.m.stop // nobody lifted it
	if lifting >= 0 {
		v.fault.To = lifting
	}
	v.fault.To = max(v.fault.From, v.fault.To)
	if v.lifted >= 0 {
		// What came before the recovery belongs to it, which has a limit of its own.
		v.after.From = max(v.lifted, recovered-recoveredFor)
	}
}

// bound ends the time after the fault where the next experiment begins.
func (v *view) bound() {
	if !v.harmed || v.lifted < 0 {
		return
	}
	v.after.To = v.m.stop
	for _, next := range v.m.views {
		if next != v && next.begun >= v.begun && next.begun >= v.lifted {
			v.after.To = min(v.after.To, next.begun)
		}
	}
	v.after.To = max(v.after.From, v.after.To)
}

// last returns the last entry of some kinds about a fault.
func (v *view) last(id string, kinds ...chaos.EntryKind) (chaos.Entry, bool) {
	for _, e := range slices.Backward(v.entries) {
		if e.ID == id && slices.Contains(kinds, e.Kind) {
			return e, true
		}
	}
	return chaos.Entry{}, false
}

// has reports whether the journal has an entry of a kind, and its detail.
func (v *view) has(kind chaos.EntryKind) (string, bool) {
	i := slices.IndexFunc(v.entries, func(e chaos.Entry) bool { return e.Kind == kind })
	if i < 0 {
		return "", false
	}
	return v.entries[i].Detail, true
}

// at returns a moment as seconds of the run.
func (m *meter) at(t time.Time) float64 {
	return min(longest, max(0, t.Sub(m.start).Seconds()))
}

// moment returns seconds of the run as a moment.
func (m *meter) moment(s float64) time.Time {
	return m.start.Add(time.Duration(s * float64(time.Second)))
}

// due returns the customers' requests that were due in a window, by due time.
// The caller must not change them.
func (m *meter) due(w chaos.Window) []loadgen.Request { return within(m.requests, w) }

// within returns those of some requests, by due time, that were due in a window.
func within(requests []loadgen.Request, w chaos.Window) []loadgen.Request {
	find := func(s float64) int {
		return sort.Search(len(requests), func(i int) bool { return requests[i].Due.Seconds() >= s })
	}
	from, to := find(w.From), find(w.To)
	if to <= from {
		return nil
	}
	return requests[from:to]
}

// viewAt returns the experiment in whose time a moment falls; nil before the
// first.
func (m *meter) viewAt(s float64) *view {
	var at *view
	for _, v := range m.views {
		if v.begun >= 0 && v.begun <= s && (at == nil || v.begun >= at.begun) {
			at = v
		}
	}
	return at
}
