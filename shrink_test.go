package bedlam

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/experiments"
	"github.com/bedlamlab/bedlam/chaos/shrink"
)

func TestFailing(t *testing.T) {
	bad := chaos.Finding{Check: "timeouts", Site: "payment->bank", Verdict: chaos.Fail}
	unsure := chaos.Finding{Check: "injection", Verdict: chaos.Inconclusive}
	of := func(name string, fs ...chaos.Finding) chaos.ExperimentResult {
		return chaos.ExperimentResult{Name: name, Findings: fs}
	}
	for _, c := range []struct {
		what, name string
		res        chaos.Result
		want, says string
	}{
		{"the first that failed", "", chaos.Result{Experiments: []chaos.ExperimentResult{of("a", unsure), of("b", unsure, bad), of("c", bad)}}, "b", ""},
		{"the one that is named", "c", chaos.Result{Experiments: []chaos.ExperimentResult{of("b", bad), of("c", bad)}}, "c", ""},
		{"one that did not fail", "a", chaos.Result{Experiments: []chaos.ExperimentResult{of("a"), of("b", bad)}}, "", "a did not fail (those that did: b)"},
		{"the whole run's, of one", "", chaos.Result{Verdict: chaos.Fail, Experiments: []chaos.ExperimentResult{of("a")}, Findings: []chaos.Finding{bad}}, "a", ""},
		{"the whole run's, of several", "", chaos.Result{Verdict: chaos.Fail, Experiments: []chaos.ExperimentResult{of("a"), of("b")}, Findings: []chaos.Finding{bad}}, "", "belongs to no single experiment"},
		{"no failure", "", chaos.Result{Verdict: chaos.Pass, Experiments: []chaos.ExperimentResult{of("a", unsure)}}, "", "its verdict is PASS"},
	} {
		name, f, err := failing(c.res, c.name)
		switch {
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: got %q, %v, want an error with %q", c.what, name, err, c.says)
		case c.says == "" && (err != nil || name != c.want || f.Check != bad.Check):
			t.Errorf("%s: got %q, %+v, %v, want %q", c.what, name, f, err, c.want)
		}
	}
}

// What was run before is not run again; with no runs left, nothing is.
func TestReductionRemembers(t *testing.T) {
	es, err := experiments.Find([]string{"recommend-down"})
	if err != nil {
		t.Fatal(err)
	}
	e := es[0]
	b, err := experiments.Format(e)
	if err != nil {
		t.Fatal(err)
	}
	r := &reduction{o: ShrinkOptions{}, folder: t.TempDir(), failure: chaos.Finding{Check: "hypothesis", Site: "gateway->recommend"}}
	if ok, err := r.test(context.Background(), e); ok || !errors.Is(err, shrink.ErrSpent) {
		t.Fatalf("with no runs left: %v, %v", ok, err)
	}
	keep := func(try int, res chaos.Result) {
		t.Helper()
		at := filepath.Join(r.folder, fmt.Sprintf("%x", sha256.Sum256(b))[:12], fmt.Sprintf("run%d", try))
		if err := os.MkdirAll(at, 0o755); err != nil {
			t.Fatal(err)
		}
		res.Schema = chaos.ResultSchema
		if err := writeJSON(at, "result.json", res); err != nil {
			t.Fatal(err)
		}
	}
	found := chaos.Result{Verdict: chaos.Fail, Experiments: []chaos.ExperimentResult{{Findings: []chaos.Finding{
		{Check: "hypothesis", Site: "gateway->recommend", Verdict: chaos.Fail}}}}}
	for _, c := range []struct {
		what  string
		tries []chaos.Result
		want  bool
	}{
		{"it passes", []chaos.Result{{Verdict: chaos.Pass}}, false},
		{"it fails alike", []chaos.Result{found}, true},
		{"it fails in another way", []chaos.Result{{Verdict: chaos.Fail, Findings: []chaos.Finding{{Check: "timeouts", Site: "gateway->recommend", Verdict: chaos.Fail}}}}, false},
		{"it tells nothing, and then fails alike", []chaos.Result{{}, found}, true},
		{"it tells nothing twice", []chaos.Result{{}, {}}, false},
	} {
		for i, res := range c.tries {
			keep(i+1, res)
		}
		if got, err := r.test(context.Background(), e); got != c.want || err != nil {
			t.Errorf("%s: got %v, %v", c.what, got, err)
		}
	}
}
