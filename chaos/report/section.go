package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
)

// A section is one experiment of the page, and its line in the overview.
type section struct {
	Number      int
	ID          string
	Name, Title string
	Verdict     verdict
	Fault       chaos.Window
	Injection   string
	Harm        []string
	Victims     []string
	Probe       string
	Witnesses   string
	Recovery    string
	Recovered   string // with its word
	Lift        string
	Stability   string
	Headroom    string
	CameBack    string
	Scars       []scar
	NotLifted   bool
	Goodput     [3]string
	Windows     [3]string // what the table's columns cover
	Rows        []metricRow
	Findings    []finding
	Doubts      []string // of the whole run, where nothing of its own explains the verdict
	Repeats     []string
	Hops        []hop
	Chart       *chart
	Events      []event
	Traces      []waterfall
}

type metricRow struct {
	Metric, Class string
	Values        [3]string
	N             [3]string
	Limit         string
	Verdict       *verdict
}

type finding struct {
	Verdict                verdict
	Check, Site, Mechanism string
	Text, Trace, Href      string
	Count                  string
	Repeat                 string
}

type hop struct{ Site, Error, Count, Example, Href string }

type event struct{ At, Kind, Instance, Text string }

func newSection(number int, r chaos.Result, e chaos.ExperimentResult, traces map[string]string) *section {
	s := &section{Number: number, ID: fmt.Sprintf("experiment-%d", number), Name: e.Name, Title: e.Title, Verdict: newVerdict(e.Verdict),
		Fault: e.Fault, Injection: cut(e.Injection.Status, mostWord), Harm: e.Injection.Faults, Victims: e.Injection.Victims, Probe: e.Injection.Probe,
		Witnesses: count(e.Injection.Witnesses), Recovery: recovered(e.Recovery), Lift: e.Recovery.Lift, NotLifted: e.Recovery.Status == "not-lifted"}
	if s.Title == "" {
		s.Title = e.Name
	}
	if s.Injection == "" {
		s.Injection = "none"
	}
	s.Recovered = s.Recovery
	if e.Recovery.Seconds != nil {
		s.Recovered = howSoon(e.Recovery)
	}
	s.Stability, s.Headroom, s.CameBack, s.Scars = stability(e), headroom(e), cameBack(e), newScars(e)
	g := total(e, "goodput")
	s.Goodput = [3]string{figure(g.Baseline, "share"), figure(g.Fault, "share"), figure(g.After, "share")}
	for i, w := range []chaos.Window{e.Baseline, e.Fault, e.After} {
		if sane(w) {
			s.Windows[i] = fmt.Sprintf("%.1f s, n = %s", w.To-w.From, count(g.N[i]))
		}
	}
	for _, row := range e.Rows {
		s.Rows = append(s.Rows, newMetricRow(row, g.N))
	}
	s.Findings = newFindings(e.Findings, traces)
	s.Doubts = doubts(r, e)
	for _, f := range s.Findings {
		if f.Repeat != "" && !slices.Contains(s.Repeats, f.Repeat) {
			s.Repeats = append(s.Repeats, f.Repeat)
		}
	}
	for _, h := range e.Hops {
		s.Hops = append(s.Hops, hop{h.Site + elsewhere(h), h.Error, count(h.Count), h.Example, traces[h.Example]})
	}
	s.Chart = closeUp(r, e, fmt.Sprintf("chart-%d", number))
	if sane(e.Fault) {
		from, to := around(r, e)
		s.Events = events(r.Series, from, to)
	}
	return s
}

// newMetricRow says how many samples stand behind a row only where they are
// not those of the whole phase.
func newMetricRow(row chaos.Row, whole [3]int) metricRow {
	m := metricRow{Metric: row.Metric, Class: row.Class, Limit: held(row)}
	for i, x := range []*float64{row.Baseline, row.Fault, row.After} {
		m.Values[i] = cell(row, x)
		if row.N != whole && row.N[i] > 0 {
			m.N[i] = "n = " + count(row.N[i])
		}
	}
	if row.Verdict != nil {
		v := newVerdict(*row.Verdict)
		m.Verdict = &v
	}
	return m
}

func newFindings(fs []chaos.Finding, traces map[string]string) []finding {
	var out []finding
	for i, f := range fs {
		if i == mostFindings {
			out = append(out, finding{Verdict: newVerdict(chaos.Inconclusive), Check: "more", Text: fmt.Sprintf("%s more findings are in result.json", count(len(fs)-i))})
			break
		}
		x := finding{Verdict: newVerdict(f.Verdict), Check: f.Check, Site: f.Site, Mechanism: f.Mechanism, Text: f.Text,
			Trace: f.Trace, Href: traces[f.Trace], Repeat: f.Repeat}
		if f.Count > 1 {
			x.Count = count(f.Count) + " times"
		}
		out = append(out, x)
	}
	return out
}

// events lists what happened in a stretch of a run.
func events(s chaos.Series, from, to float64) []event {
	var out []event
	for _, e := range s.Events {
		if e.At >= from && e.At <= to {
			out = append(out, event{fmt.Sprintf("%.2f s", e.At), strings.ReplaceAll(e.Kind, "-", " "), e.Instance, e.Text})
		}
	}
	return out
}
