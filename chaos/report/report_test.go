package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/report"
)

var update = flag.Bool("update", false, "write the golden files again; read the diff before you commit")

func terminal(color bool) func(io.Writer, chaos.Result) error {
	return func(w io.Writer, r chaos.Result) error {
		return report.Terminal(w, r, report.TerminalOptions{Color: color})
	}
}

var reports = map[string]func(io.Writer, chaos.Result) error{
	"txt": terminal(false), "colored.txt": terminal(true), "md": report.Markdown, "xml": report.JUnit, "html": report.HTML, "json": report.JSON,
}

func write(t *testing.T, to func(io.Writer, chaos.Result) error, r chaos.Result) string {
	t.Helper()
	var b bytes.Buffer
	if err := to(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for format, to := range reports {
		for name, r := range map[string]chaos.Result{"everything": everything(), "empty": {}} {
			t.Run(name+"."+format, func(t *testing.T) {
				t.Parallel()
				got := write(t, to, r)
				path := filepath.Join("testdata", name+"."+format)
				if *update {
					if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), got); diff != "" {
					t.Errorf("differs (-want +got); if it should, run with -update and read the diff:\n%s", diff)
				}
			})
		}
	}
}

// Every report says the verdict before anything else, also of a result that
// makes no sense.
func TestVerdictComesFirst(t *testing.T) {
	t.Parallel()
	for name, r := range results() {
		for format, to := range reports {
			if format == "xml" || format == "json" || name == "crooked" && format == "json" {
				continue // programs read them by name
			}
			t.Run(name+"."+format, func(t *testing.T) {
				t.Parallel()
				text := write(t, to, r)
				if format == "html" {
					_, text, _ = strings.Cut(text, "<title>")
				}
				text = text[:min(len(text), 60)]
				if !strings.Contains(text, r.Verdict.String()) {
					t.Errorf("begins with %q, want the verdict %s", text, r.Verdict)
				}
			})
		}
	}
}

func TestTerminalObeysNothingInAResult(t *testing.T) {
	t.Parallel()
	text := write(t, terminal(false), hostile())
	for _, c := range text {
		if c != '\n' && unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) {
			t.Fatalf("holds the control character %U", c)
		}
	}
}

func TestMarkdownIsSmallAndHarmless(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20 // GitHub's for a job's summary
	for name, r := range results() {
		text := write(t, report.Markdown, r)
		if len(text) >= limit {
			t.Errorf("%s: %d bytes, want less than %d", name, len(text), limit)
		}
		if !utf8.ValidString(text) {
			t.Errorf("%s: not UTF-8", name)
		}
	}
	text := write(t, report.Markdown, hostile())
	for _, bad := range []string{"<script", "<img", "[l](javascript", "http://", " @all", "`x`", " **b**"} {
		if strings.Contains(text, bad) {
			t.Errorf("holds %q", bad)
		}
	}
	head := 0 // separators of the table's first line
	for i, line := range strings.Split(text, "\n") {
		cells := strings.Count(line, "|") - strings.Count(line, `\|`)
		switch {
		case !strings.HasPrefix(line, "|"):
			head = 0
		case head == 0:
			head = cells
		case cells != head:
			t.Errorf("line %d has %d separators, want the %d of its table: %.200s", i+1, cells, head, line)
		}
	}
	if text := write(t, report.Markdown, huge()); !strings.Contains(text, "report.html") {
		t.Error("a summary that was cut does not say where the rest is")
	}
}

func TestJUnitIsXML(t *testing.T) {
	t.Parallel()
	for name, r := range results() {
		text := write(t, report.JUnit, r)
		for _, c := range text {
			if c == utf8.RuneError || c < 0x20 && c != '\n' && c != '\t' {
				t.Errorf("%s: holds %U, which XML cannot", name, c)
			}
		}
		var doc struct {
			Tests    int `xml:"tests,attr"`
			Failures int `xml:"failures,attr"`
			Errors   int `xml:"errors,attr"`
			Cases    []struct {
				Name    string    `xml:"name,attr"`
				Failure *struct{} `xml:"failure"`
				Error   *struct{} `xml:"error"`
			} `xml:"testsuite>testcase"`
		}
		if err := xml.Unmarshal([]byte(text), &doc); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		failures, errors := 0, 0
		for _, c := range doc.Cases {
			if c.Failure != nil {
				failures++
			}
			if c.Error != nil {
				errors++
			}
		}
		if doc.Tests != len(doc.Cases) || doc.Failures != failures || doc.Errors != errors {
			t.Errorf("%s: counts %d/%d/%d, has %d/%d/%d", name, doc.Tests, doc.Failures, doc.Errors, len(doc.Cases), failures, errors)
		}
		if r.Verdict != chaos.Pass && name != "empty" && failures+errors == 0 {
			t.Errorf("%s: %s without a failure or an error: a server would show it green", name, r.Verdict)
		}
	}
}

// A program that reads result.json never meets null where the schema has a
// list, and reads back what was written.
func TestJSON(t *testing.T) {
	t.Parallel()
	want := everything()
	var got chaos.Result
	if err := json.Unmarshal([]byte(write(t, report.JSON, want)), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(write(t, report.JSON, want), write(t, report.JSON, got)); diff != "" {
		t.Errorf("differs after reading it back (-want +got):\n%s", diff)
	}
	if want.Experiments[0].Hops != nil {
		t.Error("writing changed the result")
	}
	if text := write(t, report.JSON, chaos.Result{}); strings.Contains(text, "null") {
		t.Errorf("an empty result has null in the place of a list:\n%s", text)
	}
}
