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

// mostMessage is how many characters an attribute holds that servers show as a
// headline; the whole is in the element's text.
const mostMessage = 300

// JUnit writes one test case for each experiment, each line of the audit,
// each condition, and each finding that belongs to no experiment.
// INCONCLUSIVE is an error: a server that only knows pass and fail must not
// show it green.
func JUnit(w io.Writer, r chaos.Result) error {
	s := testsuite{Name: xmlText("bedlam " + r.Suite), Time: fmt.Sprintf("%.3f", r.Seconds), Stamp: r.Started.UTC().Format("2006-01-02T15:04:05")}
	add := func(c testcase, v chaos.Verdict, message, text string) {
		s.Tests++
		c.Class, c.Name = xmlText(c.Class), xmlText(c.Name)
		switch t := (&trouble{Message: cut(plain(message), mostMessage), Text: xmlText(text)}); v {
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
		texts := doubts(r, e)
		for _, f := range e.Findings {
			texts = append(texts, inFull(f))
		}
		for _, h := range e.Hops {
			texts = append(texts, fmt.Sprintf("failed first at %s%s: %d × %s (trace %s)", h.Site, elsewhere(h), h.Count, h.Error, h.Example))
		}
		message := strings.ToLower(e.Verdict.String())
		if len(e.Findings) > 0 {
			message = e.Findings[0].Text
		} else if len(texts) > 0 {
			message = texts[0]
		}
		c := testcase{Class: "bedlam." + r.Suite, Name: e.Name, Time: fmt.Sprintf("%.3f", max(0, e.After.To-e.Fault.From))}
		add(c, e.Verdict, message, strings.Join(texts, "\n"))
	}
	for _, f := range r.Findings {
		add(testcase{Class: "bedlam.run", Name: f.Check, Time: "0"}, f.Verdict, f.Text, inFull(f))
	}
	for _, l := range r.Audit {
		add(testcase{Class: "bedlam.audit", Name: l.Name, Time: "0"}, l.Verdict, l.Text, l.Text)
	}
	for _, g := range r.Gates {
		add(testcase{Class: "bedlam.gate", Name: g.Name, Time: "0"}, gate(g), g.Text, g.Text)
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
	if f.Fault != "" {
		text += "\n  fault: " + f.Fault
	}
	if f.Trace != "" {
		text += "\n  trace: " + f.Trace
	}
	if f.Repeat != "" {
		text += "\n  again: " + f.Repeat
	}
	return text
}

// xmlText removes what XML 1.0 cannot hold in any form: control characters,
// surrogates and two non-characters. encoding/xml would write U+FFFD for them;
// some readers choke on that in names.
func xmlText(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || r >= 0x20 && r < 0x7f || r >= 0xa0 && r < 0xfffd || r >= 0x10000 && r <= 0x10ffff {
			return r
		}
		return -1
	}, s)
}
