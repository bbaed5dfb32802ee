package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
)

// The elements of JUnit's XML that CI servers read. There is no standard;
// these are the ones that Jenkins, GitLab and GitHub's actions share.
type (
	testsuites struct {
		XMLName  xml.Name    `xml:"testsuites"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Suites   []testsuite `xml:"testsuite"`
	}
	testsuite struct {
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Errors   int        `xml:"errors,attr"`
		Time     string     `xml:"time,attr"` // seconds
		Stamp    string     `xml:"timestamp,attr"`
		Cases    []testcase `xml:"testcase"`
	}
	testcase struct {
		Class   string   `xml:"classname,attr"`
		Name    string   `xml:"name,attr"`
		Time    string   `xml:"time,attr"`
		Failure *trouble `xml:"failure"`
		Error   *trouble `xml:"error"`
	}
	trouble struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes one test case for each experiment and each line of the audit.
// INCONCLUSIVE is an error: a server that only knows pass and fail must not
// show it green.
func JUnit(w io.Writer, r chaos.Result) error {
	s := testsuite{Name: "bedlam " + r.Suite, Time: fmt.Sprintf("%.3f", r.Seconds), Stamp: r.Started.UTC().Format("2006-01-02T15:04:05")}
	add := func(c testcase, v chaos.Verdict, message, text string) {
		s.Tests++
		switch t := (&trouble{Message: message, Text: text}); v {
		case chaos.Fail:
			s.Failures++
			c.Failure = t
		case chaos.Inconclusive:
			s.Errors++
			c.Error = t
		}
		s.Cases = append(s.Cases, c)
	}
	for _, e := range r.Experiments {
		var texts []string
		for _, f := range e.Findings {
			texts = append(texts, inFull(f))
		}
		message := "inconclusive"
		if len(e.Findings) > 0 {
			message = e.Findings[0].Text
		}
		c := testcase{Class: "bedlam." + r.Suite, Name: e.Name, Time: fmt.Sprintf("%.3f", max(0, e.After.To-e.Fault.From))}
		add(c, e.Verdict, message, strings.Join(texts, "\n"))
	}
	for _, l := range r.Audit {
		add(testcase{Class: "bedlam.audit", Name: l.Name, Time: "0"}, l.Verdict, l.Text, l.Text)
	}
	for _, g := range r.Gates {
		v := chaos.Pass
		if !g.OK {
			v = chaos.Inconclusive
		}
		add(testcase{Class: "bedlam.gate", Name: g.Name, Time: "0"}, v, g.Text, g.Text)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(testsuites{Tests: s.Tests, Failures: s.Failures, Errors: s.Errors, Suites: []testsuite{s}}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// inFull says one finding with all that it names.
func inFull(f chaos.Finding) string {
	text := fmt.Sprintf("%s: %s", f.Check, f.Text)
	if f.Site != "" {
		text += "\n  site: " + f.Site
	}
	if f.Trace != "" {
		text += "\n  trace: " + f.Trace
	}
	if f.Repeat != "" {
		text += "\n  again: " + f.Repeat
	}
	return text
}
