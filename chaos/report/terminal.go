package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/bedlamlab/bedlam/chaos"
)

// TerminalOptions say what a terminal can do.
type TerminalOptions struct {
	Color bool
}

// Terminal writes the report that a person reads first: verdict, reasons, then
// each experiment's table. It says little about what passed.
func Terminal(w io.Writer, r chaos.Result, o TerminalOptions) error {
	t := &terminal{color: o.Color}
	t.line("%s  %s", t.verdict(r.Verdict), sentence(r))
	if a := alarm(r); a != "" {
		t.line("%s", t.paint(bold, t.paint(red, plain(a))))
	}
	t.line("%s", plain(origin(r)))
	for _, reason := range r.Reasons {
		t.line("  · %s", plain(reason))
	}
	for _, e := range r.Experiments {
		t.experiment(r, e)
	}
	if len(r.Findings) > 0 {
		t.line("")
		t.line("Findings outside the experiments")
		t.findings(r.Findings)
	}
	t.compared(r)
	t.audit(r)
	if len(r.Gates) > 0 {
		t.line("")
	}
	for _, g := range r.Gates {
		t.line("%s %s", t.mark(gate(g)), plain(g.Text))
	}
	besides := ""
	if r.Load.Surges > 0 {
		besides = "; " + plural(r.Load.Surges, "request") + " of surges besides"
	}
	t.line("%s, %s: %s; generator lag p99 %s%s", plural(r.Load.Journeys, "journey"), plural(r.Load.Requests, "request"), outcomes(r), duration(r.Load.LagP99), besides)
	if r.Stronger != "" {
		t.line("%s", plain(r.Stronger))
	}
	_, err := io.WriteString(w, t.b.String())
	return err
}

type terminal struct {
	b     strings.Builder
	color bool
}

func (t *terminal) line(format string, args ...any) {
	t.b.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " "))
	t.b.WriteByte('\n')
}

// paint uses the eight colours that every terminal has.
func (t *terminal) paint(code int, text string) string {
	if !t.color {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", code, text)
}

const (
	bold   = 1
	faint  = 2
	red    = 31
	green  = 32
	yellow = 33
)

var verdictColors = map[chaos.Verdict]int{chaos.Pass: green, chaos.Fail: red, chaos.Inconclusive: yellow}

func (t *terminal) verdict(v chaos.Verdict) string {
	return t.paint(bold, t.paint(verdictColors[v], v.String()))
}

func (t *terminal) mark(v chaos.Verdict) string { return t.paint(verdictColors[v], mark(v)) }

// always are the metrics that stand in every table; the others stand there if
// they have a limit, or if the experiment did not pass.
var always = []string{"goodput", "lost", "degraded", "p50", "p99", "p99.9", "amplification", "recovery"}

func (t *terminal) experiment(r chaos.Result, e chaos.ExperimentResult) {
	passed := e.Verdict == chaos.Pass
	t.line("")
	if e.Title == "" || e.Title == e.Name {
		t.line("%s  %s", t.verdict(e.Verdict), plain(e.Name))
	} else {
		t.line("%s  %s  %s", t.verdict(e.Verdict), plain(e.Title), t.paint(faint, "("+plain(e.Name)+")"))
	}
	t.line("  harm       %s on %s", listed(e.Injection.Faults, ", then "), listed(e.Injection.Victims, ", "))
	if passed {
		t.line("  injection  %s; %s met it", orDash(plain(e.Injection.Status)), plural(e.Injection.Witnesses, "request"))
	} else {
		t.line("  injection  %s: %s; %s met it", orDash(plain(e.Injection.Status)), orDash(plain(e.Injection.Probe)), plural(e.Injection.Witnesses, "request"))
		recovery := plain(recovered(e.Recovery))
		if e.Recovery.Seconds != nil {
			recovery = howSoon(e.Recovery)
		}
		if e.Recovery.Lift != "" {
			recovery += "; after the lift: " + plain(e.Recovery.Lift)
		}
		if recovery != dash {
			t.line("  recovery   %s", recovery)
		}
	}
	t.aftermath(e, passed)
	t.findings(e.Findings)
	for _, text := range doubts(r, e) {
		t.line("  %s %s", t.mark(chaos.Inconclusive), plain(text))
	}
	t.rows(e, passed)
	t.hops(e.Hops)
}

// mostScars are printed; the rest is in the HTML report.
const mostScars = 3

// aftermath says how the system was left behind: of one that passed, only what
// is not as it was.
func (t *terminal) aftermath(e chaos.ExperimentResult, passed bool) {
	left := scars(e)
	told := headroom(e)
	if text := stability(e); text != "" && (!passed || e.Stability.Class != chaos.Stable || told != "") {
		t.line("  stability  %s", text)
	}
	if told != "" {
		t.line("  capacity   %s", told)
	}
	if text := cameBack(e); text != "" && (!passed || len(left) > 0) {
		t.line("  came back  %s", text)
	}
	for i, s := range left {
		if i == mostScars {
			t.line("  … and %d more", len(left)-i)
			break
		}
		t.line("  %s %s", t.mark(chaos.Inconclusive), plain(s.Text))
	}
}

// rows prints the table, its first column as wide as it must be.
func (t *terminal) rows(e chaos.ExperimentResult, passed bool) {
	name := func(row chaos.Row) string { return strings.TrimSpace(plain(row.Metric + " " + row.Class)) }
	var rows []chaos.Row
	width := len("amplification")
	for _, row := range e.Rows {
		if passed && row.Limit == "" && (row.Class != "" || !slices.Contains(always, row.Metric)) {
			continue
		}
		rows = append(rows, row)
		width = max(width, utf8.RuneCountInString(name(row)))
	}
	if len(rows) == 0 {
		return
	}
	const column = 10
	t.line("  %s %s %s %s    %s", left("", width), right("before", column), right("during", column), right("after", column), "limit")
	for _, row := range rows {
		limit := "  " + plain(row.Limit)
		if row.Verdict != nil {
			limit = t.mark(*row.Verdict) + " " + plain(held(row))
		}
		t.line("  %s %s %s %s  %s", left(name(row), width), right(cell(row, row.Baseline), column),
			right(cell(row, row.Fault), column), right(cell(row, row.After), column), limit)
	}
}

func (t *terminal) findings(fs []chaos.Finding) {
	repeat := ""
	for _, f := range fs {
		t.line("  %s %s", t.mark(f.Verdict), plain(f.Text))
		var where []string
		for _, x := range [][2]string{{"check", f.Check}, {"site", f.Site}, {"trace", f.Trace}} {
			if x[1] != "" {
				where = append(where, x[0]+" "+plain(x[1]))
			}
		}
		t.line("      %s", t.paint(faint, strings.Join(where, ", ")))
		if f.Repeat != "" {
			repeat = plain(f.Repeat) // the same for all of an experiment
		}
	}
	if repeat != "" {
		t.line("  %s %s", "again:", repeat)
	}
}

// mostHops are printed; the rest is in the HTML report.
const mostHops = 3

func (t *terminal) hops(hs []chaos.Hop) {
	for i, h := range hs {
		if i == mostHops {
			t.line("  … and %d more", len(hs)-i)
			break
		}
		t.line("  failed first at %s%s: %s × %s", plain(h.Site), plain(elsewhere(h)), count(h.Count), cut(plain(h.Error), 100))
		t.line("      %s", t.paint(faint, "trace "+plain(h.Example)))
	}
}

func (t *terminal) audit(r chaos.Result) {
	if len(r.Audit) == 0 {
		return
	}
	width, digits := 0, 0
	for _, l := range r.Audit {
		digits = max(digits, len(count(l.N)), len(count(l.Violations)))
		width = max(width, utf8.RuneCountInString(plain(l.Name)))
	}
	t.line("")
	t.line("Audit of the data")
	for _, l := range r.Audit {
		text := right(count(l.Violations), digits) + " of " + right(count(l.N), digits)
		switch {
		case l.Violations > 0 || l.Verdict == chaos.Inconclusive:
			text += "  " + plain(l.Text)
		case l.N > 0:
			text += "  true rate " + bound(l) + " at 95 %"
			if l.Text != "" {
				text += ", " + plain(l.Text)
			}
		}
		t.line("  %s %s %s", t.mark(l.Verdict), left(plain(l.Name), width), text)
	}
}

// outcomes lists them in the order in which they get worse.
func outcomes(r chaos.Result) string {
	var parts []string
	for _, name := range outcomeNames {
		parts = append(parts, count(r.Load.Outcomes[name])+" "+name)
	}
	return strings.Join(parts, ", ")
}

func listed(names []string, between string) string {
	return orDash(plain(strings.Join(names, between)))
}

func orDash(s string) string {
	if s == "" {
		return dash
	}
	return s
}

func left(s string, n int) string {
	return s + strings.Repeat(" ", max(0, n-utf8.RuneCountInString(s)))
}

func right(s string, n int) string {
	return strings.Repeat(" ", max(0, n-utf8.RuneCountInString(s))) + s
}
