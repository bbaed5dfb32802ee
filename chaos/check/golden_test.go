package check_test

import (
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
)

func TestGoldenRunPasses(t *testing.T) {
	res := judge(golden())
	for _, e := range res.Experiments {
		for _, f := range e.Findings {
			t.Errorf("%s: %s %s at %s: %s", e.Name, f.Verdict, f.Check, f.Site, f.Text)
		}
		if e.Verdict != chaos.Pass || e.Injection.Status != "proven" || e.Recovery.Status != "recovered" {
			t.Errorf("%s: got %s, injection %s, recovery %s", e.Name, e.Verdict, e.Injection.Status, e.Recovery.Status)
		}
	}
	for _, f := range res.Findings {
		t.Errorf("%s %s at %s: %s", f.Verdict, f.Check, f.Site, f.Text)
	}
	for _, l := range res.Audit {
		if l.Verdict != chaos.Pass || l.N == 0 {
			t.Errorf("audit %s: %s of %d: %s", l.Name, l.Verdict, l.N, l.Text)
		}
	}
	for _, g := range res.Gates {
		if !g.OK {
			t.Errorf("gate %s: %s", g.Name, g.Text)
		}
	}
	if res.Verdict != chaos.Pass || res.Exit != 0 || len(res.Reasons) != 0 {
		t.Errorf("got %s, exit %d, reasons %q", res.Verdict, res.Exit, res.Reasons)
	}
}
