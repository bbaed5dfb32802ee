package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/bedlamlab/bedlam/chaos"
)

// TerminalOptions say what a terminal can do.
type TerminalOptions struct {
	Color bool
}

// Terminal writes the report that a person reads first: verdict, reasons, then
// each experiment's table.
func Terminal(w io.Writer, r chaos.Result, o TerminalOptions) error {
	t := &terminal{color: o.Color}
	t.line("%s  %s", t.verdict(r.Verdict), sentence(r))
	t.line("%s", origin(r))
	for _, reason := range r.Reasons {
		t.line("  · %s", reason)
	}
	for _, e := range r.Experiments {
		t.experiment(e)
	}
	t.audit(r)
	t.line("")
	for _, g := range r.Gates {
		t.line("%s %s", t.mark(g.OK), g.Text)
	}
	t.line("%d journeys, %d requests: %s; generator lag p99 %s", r.Load.Journeys, r.Load.Requests, outcomes(r), duration(r.Load.LagP99))
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
	red    = 31
	green  = 32
	yellow = 33
)

func (t *terminal) verdict(v chaos.Verdict) string {
	code := map[chaos.Verdict]int{chaos.Pass: green, chaos.Fail: red, chaos.Inconclusive: yellow}[v]
	return t.paint(bold, t.paint(code, v.String()))
}

func (t *terminal) mark(ok bool) string {
	if ok {
		return t.paint(green, "✓")
	}
	return t.paint(red, "✗")
}

func (t *terminal) experiment(e chaos.ExperimentResult) {
	t.line("")
	t.line("%s  %s  (%s)", t.verdict(e.Verdict), e.Title, e.Name)
	t.line("  fault      %s on %s", strings.Join(e.Injection.Faults, ", then "), strings.Join(e.Injection.Victims, ", "))
	t.line("  injection  %s: %s; %d requests met it", e.Injection.Status, e.Injection.Probe, e.Injection.Witnesses)
	recovery := e.Recovery.Status
	if e.Recovery.Seconds != nil {
		recovery += fmt.Sprintf(" within %s", duration(max(1, *e.Recovery.Seconds)))
	}
	if e.Recovery.Lift != "" {
		recovery += "; after the lift: " + e.Recovery.Lift
	}
	t.line("  recovery   %s", recovery)
	if len(e.Rows) > 0 {
		t.line("  %s %s %s %s  %s", left("", 26), right("baseline", 10), right("fault", 10), right("after", 10), "limit")
	}
	for _, row := range e.Rows {
		name := row.Metric
		if row.Class != "" {
			name += " " + row.Class
		}
		limit := row.Limit
		if row.Verdict != nil {
			limit = t.verdictMark(*row.Verdict) + " " + limit
		}
		t.line("  %s %s %s %s  %s", left(name, 26), right(figure(row.Baseline, row.Unit), 10),
			right(figure(row.Fault, row.Unit), 10), right(figure(row.After, row.Unit), 10), limit)
	}
	for _, f := range e.Findings {
		t.line("  %s %s", t.verdictMark(f.Verdict), f.Text)
		where := []string{}
		if f.Site != "" {
			where = append(where, "site "+f.Site)
		}
		if f.Trace != "" {
			where = append(where, "trace "+f.Trace)
		}
		if len(where) > 0 {
			t.line("      %s", strings.Join(where, ", "))
		}
	}
	for i, h := range e.Hops {
		if i == 3 { // the rest is in the HTML report
			t.line("    … and %d more", len(e.Hops)-i)
			break
		}
		t.line("    failed first at %s: %d × %s (trace %s)", h.Site, h.Count, h.Error, h.Example)
	}
}

func (t *terminal) verdictMark(v chaos.Verdict) string {
	switch v {
	case chaos.Pass:
		return t.paint(green, "✓")
	case chaos.Fail:
		return t.paint(red, "✗")
	}
	return t.paint(yellow, "?")
}

func (t *terminal) audit(r chaos.Result) {
	t.line("")
	t.line("Audit of the data")
	for _, l := range r.Audit {
		text := fmt.Sprintf("0 of %d", l.N)
		switch {
		case l.Violations > 0:
			text = fmt.Sprintf("%d violations: %s", l.Violations, l.Text)
		case l.Verdict == chaos.Inconclusive:
			text = l.Text
		case l.N > 0:
			text += fmt.Sprintf(" (at most %.2g %% at 95 %%)", 100*l.Bound)
		}
		t.line("  %s %s %s", t.verdictMark(l.Verdict), left(l.Name, 22), text)
	}
}

// outcomes lists them in the order in which they get worse.
func outcomes(r chaos.Result) string {
	var parts []string
	for _, name := range []string{"ok", "degraded", "failed", "unknown"} {
		parts = append(parts, fmt.Sprintf("%d %s", r.Load.Outcomes[name], name))
	}
	return strings.Join(parts, ", ")
}

func left(s string, n int) string {
	return s + strings.Repeat(" ", max(0, n-utf8.RuneCountInString(s)))
}

func right(s string, n int) string {
	return strings.Repeat(" ", max(0, n-utf8.RuneCountInString(s))) + s
}
