package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
)

// mostMarkdown is the size of a summary in bytes, well below the 1 MiB above
// which GitHub drops a step's summary altogether.
const mostMarkdown = 900 << 10

// mostCell is how many characters of a text stand in a line of the summary:
// the whole of it is in the page.
const mostCell = 300

// Markdown writes a summary for a pull request or a CI job's page: always less
// than 1 MiB, whatever the result holds.
func Markdown(w io.Writer, r chaos.Result) error {
	m := &markdown{}
	m.line("## %s %s: %s\n", icons[r.Verdict], r.Verdict, escape(sentence(r)))
	if a := alarm(r); a != "" {
		m.line("**%s**\n", escape(a))
	}
	m.line("%s", escape(origin(r)))
	if len(r.Reasons) > 0 {
		m.line("")
	}
	for _, reason := range r.Reasons {
		m.line("- %s", escape(reason))
	}
	m.experiments(r)
	m.findings(r)
	m.compared(r)
	m.audit(r)
	if r.Stronger != "" {
		m.line("\n%s", escape(r.Stronger))
	}
	_, err := io.WriteString(w, m.b.String())
	return err
}

var icons = map[chaos.Verdict]string{chaos.Pass: "✅", chaos.Fail: "❌", chaos.Inconclusive: "❔"}

type markdown struct {
	b    strings.Builder
	full bool
}

// line writes a line while there is room; the first that does not fit is the
// last, and says so. What stands first matters most.
func (m *markdown) line(format string, args ...any) {
	if m.full {
		return
	}
	text := fmt.Sprintf(format, args...)
	if m.b.Len()+len(text) > mostMarkdown {
		m.full = true
		text = "\n\n_The rest does not fit here: see report.html._"
	}
	m.b.WriteString(text)
	m.b.WriteByte('\n')
}

func (m *markdown) experiments(r chaos.Result) {
	if len(r.Experiments) == 0 {
		return
	}
	m.line("\n| experiment | verdict | injection | requests that met it | goodput before | during | after | recovery | afterwards | came back |")
	m.line("|---|---|---|--:|--:|--:|--:|--:|---|--:|")
	for _, e := range r.Experiments {
		g := total(e, "goodput")
		m.line("| %s | %s %s | %s | %s | %s | %s | %s | %s | %s | %s |", escape(e.Name), icons[e.Verdict], e.Verdict, escape(e.Injection.Status),
			count(e.Injection.Witnesses), figure(g.Baseline, "share"), figure(g.Fault, "share"), figure(g.After, "share"), escape(recovered(e.Recovery)),
			escape(afterwards(e)), back(e))
	}
	m.capacities(r)
	m.scars(r)
}

// capacities say what the bottlenecks let through.
func (m *markdown) capacities(r chaos.Result) {
	for _, e := range r.Experiments {
		if text := headroom(e); text != "" {
			m.line("\n%s: %s.", escape(e.Name), escape(text))
		}
	}
}

// scars lists what did not come back and is no finding.
func (m *markdown) scars(r chaos.Result) {
	n := 0
	for _, e := range r.Experiments {
		n += len(scars(e))
	}
	if n == 0 {
		return
	}
	m.line("\n<details><summary>What did not come back (%d)</summary>\n", n)
	for _, e := range r.Experiments {
		for _, s := range scars(e) {
			m.line("- %s: %s", escape(e.Name), escape(s.Text))
		}
	}
	m.line("\n</details>")
}

// findings names, for each, the site, the trace and the command that shows it
// again: what one needs to begin.
func (m *markdown) findings(r chaos.Result) {
	type found struct {
		of string
		chaos.Finding
	}
	var all []found
	for _, e := range r.Experiments {
		for _, f := range e.Findings {
			all = append(all, found{e.Name, f})
		}
	}
	for _, f := range r.Findings {
		all = append(all, found{"the run", f})
	}
	if len(all) == 0 {
		return
	}
	m.line("\n<details><summary>Findings (%d)</summary>\n", len(all))
	m.line("| | of | finding | site | trace | again |")
	m.line("|---|---|---|---|---|---|")
	for _, f := range all {
		m.line("| %s | %s | %s | %s | %s | %s |", icons[f.Verdict], escape(f.of), escape(f.Text), escape(f.Site), escape(f.Trace), escape(f.Repeat))
	}
	m.line("\n</details>")
}

func (m *markdown) audit(r chaos.Result) {
	if len(r.Audit) == 0 {
		return
	}
	m.line("\n<details><summary>Audit of the data</summary>\n")
	m.line("| invariant | looked at | violations | true rate, at 95 %% |\n|---|--:|--:|---|")
	for _, l := range r.Audit {
		text := escape(l.Text)
		if b := bound(l); b != "" {
			text = b
		}
		m.line("| %s %s | %s | %s | %s |", icons[l.Verdict], escape(l.Title), count(l.N), count(l.Violations), text)
	}
	m.line("\n</details>")
}

// escapes keep text from becoming a table cell's end, markup, HTML, a link or
// a mention of somebody.
var escapes = strings.NewReplacer(`\`, `\\`, "|", `\|`, "&", "&amp;", "<", "&lt;", ">", "&gt;", "*", `\*`, "_", `\_`, "`", "\\`",
	"[", `\[`, "]", `\]`, "~", `\~`, "#", `\#`, "!", `\!`, "$", `\$`, "@", "@\u200b", "://", ":\u200b//")

// escape makes one line of a text, harmless in Markdown.
func escape(s string) string { return escapes.Replace(cut(plain(s), mostCell)) }
