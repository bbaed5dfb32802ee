package report

import (
	"fmt"

	"github.com/bedlamlab/bedlam/chaos"
)

// comparisons are those that a result has, with what was compared.
func comparisons(r chaos.Result) []comparison {
	var all []comparison
	for _, c := range []*chaos.Comparison{r.Comparison, r.Regression} {
		if c == nil {
			continue
		}
		one := comparison{Title: "Over the pairs", Notes: c.Notes}
		one.How = fmt.Sprintf("%s, each a run with the faults and one without, with the same customers; intervals of the median by bootstrap; in an experiment that keeps its bounds the chance of a false alarm is at most %.2g %%",
			plural(c.Pairs, "pair"), 100*c.Alpha)
		if c.Kind != "pairs" {
			one.Title = "Against the earlier result"
			one.How = cut(c.Of, mostCell) + "; " + cut(c.Margin, mostCell)
		}
		for _, row := range c.Rows {
			one.Rows = append(one.Rows, comparedRow{newVerdict(row.Verdict), row.Verdict, row.Experiment, row.Text})
		}
		all = append(all, one)
	}
	return all
}

// A comparison is what a result says about other runs.
type comparison struct {
	Title, How string
	Rows       []comparedRow
	Notes      []string
}

type comparedRow struct {
	Verdict          verdict
	Judged           chaos.Verdict
	Experiment, Text string
}

// compared prints a result's comparisons, each row a line.
func (t *terminal) compared(r chaos.Result) {
	for _, c := range comparisons(r) {
		t.line("")
		t.line("%s: %s", c.Title, plain(c.How))
		of := ""
		for _, row := range c.Rows {
			if row.Experiment != of {
				of = row.Experiment
				t.line("  %s", plain(of))
			}
			t.line("  %s %s", t.mark(row.Judged), plain(row.Text))
		}
		for i, note := range c.Notes {
			if i == mostReasons {
				t.line("  … and %d more notes in result.json", len(c.Notes)-i)
				break
			}
			t.line("  · %s", plain(note))
		}
	}
}

// compared writes a result's comparisons as tables.
func (m *markdown) compared(r chaos.Result) {
	for _, c := range comparisons(r) {
		m.line("\n**%s**: %s\n", c.Title, escape(c.How))
		m.line("| | experiment | figure |\n|---|---|---|")
		for _, row := range c.Rows {
			m.line("| %s | %s | %s |", icons[row.Judged], escape(row.Experiment), escape(row.Text))
		}
		for _, note := range c.Notes {
			m.line("\n%s", escape(note))
		}
	}
}

// held says a row's limit, and how much a verdict that holds is worth.
func held(row chaos.Row) string {
	if row.Basis == "" || row.Limit == "" {
		return row.Limit
	}
	return row.Limit + ", " + cut(row.Basis, mostWord)
}
