package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
)

// Markdown writes a summary for a pull request or a CI job's page. GitHub cuts
// a job's summary at 1 MiB; this one is some kilobytes.
func Markdown(w io.Writer, r chaos.Result) error {
	var b strings.Builder
	icon := map[chaos.Verdict]string{chaos.Pass: "✅", chaos.Fail: "❌", chaos.Inconclusive: "❔"}
	fmt.Fprintf(&b, "## %s %s: %s\n\n%s\n\n", icon[r.Verdict], r.Verdict, sentence(r), escape(origin(r)))
	for _, reason := range r.Reasons {
		fmt.Fprintf(&b, "- %s\n", escape(reason))
	}
	b.WriteString("\n| experiment | verdict | injection | requests that met it | goodput before | during | after | recovery |\n|---|---|---|--:|--:|--:|--:|--:|\n")
	for _, e := range r.Experiments {
		var g chaos.Row
		for _, row := range e.Rows {
			if row.Metric == "goodput" && row.Class == "" {
				g = row
			}
		}
		recovery := e.Recovery.Status
		if e.Recovery.Seconds != nil {
			recovery = "≤ " + duration(max(1, *e.Recovery.Seconds))
		}
		fmt.Fprintf(&b, "| %s | %s %s | %s | %d | %s | %s | %s | %s |\n", escape(e.Name), icon[e.Verdict], e.Verdict, e.Injection.Status,
			e.Injection.Witnesses, figure(g.Baseline, g.Unit), figure(g.Fault, g.Unit), figure(g.After, g.Unit), recovery)
	}
	b.WriteString("\n<details><summary>Audit of the data</summary>\n\n| invariant | looked at | violations | |\n|---|--:|--:|---|\n")
	for _, l := range r.Audit {
		text := l.Text
		if l.Violations == 0 && l.N > 0 {
			text = fmt.Sprintf("at most %.2g %% at 95 %%", 100*l.Bound)
		}
		fmt.Fprintf(&b, "| %s %s | %d | %d | %s |\n", icon[l.Verdict], escape(l.Title), l.N, l.Violations, escape(text))
	}
	b.WriteString("\n</details>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// escape keeps text from becoming a table cell's end, markup or HTML.
func escape(s string) string {
	return strings.NewReplacer("|", "\\|", "<", "&lt;", "*", "\\*", "_", "\\_", "`", "\\`", "\n", " ").Replace(s)
}
