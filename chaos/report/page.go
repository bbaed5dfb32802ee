package report

import (
	"fmt"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
)

// A page is a result as the HTML's template wants it: every figure in words,
// every place in per cent.
type page struct {
	CSP      string
	CSS, JS  any // template.CSS and template.JS: ours
	Verdict  verdict
	Sentence string
	Alarm    string
	Reasons  []reason
	More     []reason // behind a fold
	MoreText string
	Facts    []fact
	Sections []*section
	Compared []comparison
	Stronger string
	Chart    *chart
	Table    []secondRow // the run chart's figures
	Step     string      // of the table, in seconds
	Findings []finding   // that belong to no experiment
	Traces   []waterfall // that belong to no experiment
	Audit    []auditRow
	Gates    []gateRow
	Load     []fact
	Origin   []fact
	Title    string
	Suite    string
	Run      string
	Started  string
}

type verdict struct{ Word, Mark, Class string }

func newVerdict(v chaos.Verdict) verdict {
	return verdict{v.String(), mark(v), strings.ToLower(v.String())}
}

type fact struct{ Name, Text string }

// A reason is one line of the verdict's why; it leads to its experiment if it
// names one.
type reason struct{ Name, Href, Text string }

type auditRow struct {
	Verdict           verdict
	Name, Title       string
	N, Violations     string
	Bound, Text, Href string
}

type gateRow struct {
	Verdict    verdict
	Name, Text string
}

type secondRow struct {
	At                                      string
	From                                    float64
	Intended, OK, Degraded, Failed, Unknown string
	P50, P99                                string
}

// What is shown of lists that have no end: more than a person reads is in
// result.json.
const (
	mostReasons  = 6   // above the fold
	mostFolded   = 200 // reasons below it
	mostFindings = 100 // of one experiment
	mostWord     = 40  // characters of what should be a word
)

// newPage lays a result out.
func newPage(r chaos.Result) page {
	p := page{Verdict: newVerdict(r.Verdict), Sentence: sentence(r), Alarm: alarm(r), Suite: r.Suite, Run: r.Run,
		Compared: comparisons(r), Stronger: r.Stronger}
	p.Title = strings.TrimSpace("bedlam " + cut(r.Suite, mostWord))
	if !r.Started.IsZero() {
		p.Started = r.Started.UTC().Format("2 January 2006, 15:04 UTC")
	}
	traces := map[string]string{} // trace id → anchor
	var falls []waterfall
	for i, w := range r.Traces {
		f := newWaterfall(i+1, w)
		falls = append(falls, f)
		if _, twice := traces[f.Trace]; !twice {
			traces[f.Trace] = f.ID
		}
	}
	for i, e := range r.Experiments {
		p.Sections = append(p.Sections, newSection(i+1, r, e, traces))
	}
	p.Traces = adopt(p.Sections, falls)
	p.Chart = runChart(r, p.Sections)
	if p.Chart != nil {
		bs := bins(r.Series, p.Chart.From, p.Chart.To)
		p.Table, p.Step = secondRows(bs), fmt.Sprintf("%g", bs[0].To-bs[0].From)
	}
	for i, text := range r.Reasons {
		x := newReason(text, p.Sections)
		if i < mostReasons {
			p.Reasons = append(p.Reasons, x)
		} else if len(p.More) < mostFolded {
			p.More = append(p.More, x)
		}
	}
	if n := len(r.Reasons) - mostReasons; n > 0 {
		p.MoreText = fmt.Sprintf("%s more", count(n))
		if n > mostFolded {
			p.MoreText = fmt.Sprintf("%s more, of which %d are shown here and all in result.json", count(n), mostFolded)
		}
	}
	p.Findings = newFindings(r.Findings, traces)
	for _, l := range r.Audit {
		p.Audit = append(p.Audit, auditRow{Verdict: newVerdict(l.Verdict), Name: l.Name, Title: l.Title, N: count(l.N),
			Violations: count(l.Violations), Bound: bound(l), Text: l.Text})
	}
	for _, g := range r.Gates {
		p.Gates = append(p.Gates, gateRow{newVerdict(gate(g)), g.Name, g.Text})
	}
	p.Facts, p.Load, p.Origin = headline(r), generator(r.Load), provenance(r)
	return p
}

// adopt hands each trace to its experiment's section and returns those without.
// The first trace of an experiment that did not pass is unfolded.
func adopt(sections []*section, falls []waterfall) (rest []waterfall) {
	for _, f := range falls {
		home := (*section)(nil)
		for _, s := range sections {
			if s.Name == f.Experiment && f.Experiment != "" {
				home = s
				break
			}
		}
		if home == nil {
			rest = append(rest, f)
			continue
		}
		f.Open = len(home.Traces) == 0 && home.Verdict.Word == chaos.Fail.String()
		home.Traces = append(home.Traces, f)
	}
	return rest
}

func newReason(text string, sections []*section) reason {
	for _, s := range sections {
		if rest, ok := strings.CutPrefix(text, s.Name+": "); ok && s.Name != "" {
			return reason{Name: s.Name, Href: s.ID, Text: rest}
		}
	}
	return reason{Text: text}
}

func secondRows(bs []bin) []secondRow {
	var rows []secondRow
	n := func(x float64) string {
		if x > 0 && x < 10 && x != float64(int(x)) { // a share of a request, from several seconds
			return fmt.Sprintf("%.1f", x)
		}
		return count(x)
	}
	s := func(x float64) string {
		if x == 0 {
			return dash
		}
		return duration(x)
	}
	for _, b := range bs {
		rows = append(rows, secondRow{fmt.Sprintf("%.0f", b.From), b.From, n(b.Intended), n(b.OK), n(b.Degraded), n(b.Failed), n(b.Unknown), s(b.P50), s(b.P99)})
	}
	return rows
}
