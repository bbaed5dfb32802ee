package check_test

import (
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

const why = "system.yaml names none"

// untraced is a run of services that send no traces: only what customers saw
// is there.
func untraced() *world {
	w := golden()
	w.plan.Engine, w.plan.System, w.plan.Lacks = "attached", "my system.yaml", map[string]string{"traces": why}
	var own []collector.Span
	for _, s := range w.spans {
		if s.Service == topology.Loader {
			own = append(own, s)
		}
	}
	w.spans = own
	return w
}

// unread is a run of a system whose stores nobody may read.
func unread() *world {
	w := golden()
	w.plan.Lacks = map[string]string{"audit": why}
	w.final, w.early, w.noFinal = nil, nil, true
	return w
}

// TestNoTracesAreSaid finds each check that needs them inconclusive, and none
// of them silent.
func TestNoTracesAreSaid(t *testing.T) {
	res := judge(untraced())
	if res.Verdict != chaos.Inconclusive || res.Exit != 3 {
		t.Errorf("got %s, exit %d: %s", res.Verdict, res.Exit, list(res))
	}
	for _, e := range res.Experiments {
		if e.Injection.Status != "proven" || !strings.Contains(e.Injection.Probe, "by this probe alone") || !strings.Contains(e.Injection.Probe, why) {
			t.Errorf("%s: injection %s: %s", e.Name, e.Injection.Status, e.Injection.Probe)
		}
		said := map[string]bool{}
		for _, f := range e.Findings {
			if f.Verdict != chaos.Inconclusive {
				t.Errorf("%s: %s accuses: %s", e.Name, f.Check, f.Text)
			}
			said[f.Check] = said[f.Check] || strings.Contains(f.Text, why)
			if !strings.Contains(f.Repeat, "bedlam run --system 'my system.yaml' --seed") {
				t.Errorf("%s: it is repeated by %s", e.Name, f.Repeat)
			}
		}
		for _, c := range []string{"timeouts", "retries"} {
			if !said[c] {
				t.Errorf("%s: %s does not say that it had no data", e.Name, c)
			}
		}
		for _, r := range e.Rows {
			if r.Metric == "amplification" && (r.Fault != nil || r.Verdict != nil && *r.Verdict != chaos.Inconclusive) {
				t.Errorf("%s: amplification has a value or a verdict: %+v", e.Name, r)
			}
		}
	}
}

// TestWithoutTracesAFailureStands breaks a limit.
func TestWithoutTracesAFailureStands(t *testing.T) {
	w := untraced()
	w.each(firstBegun+1, firstBegun+6, failed)
	res := judge(w)
	if res.Verdict != chaos.Fail || res.Exit != 1 {
		t.Errorf("got %s, exit %d: %s", res.Verdict, res.Exit, list(res))
	}
}

// TestWithoutTracesTheProbeIsNeeded takes the only witness away.
func TestWithoutTracesTheProbeIsNeeded(t *testing.T) {
	w := untraced()
	w.each(firstBegun+1, firstBegun+6, failed)
	w.entry(t, bankCut, chaos.Proven).Kind = chaos.Unproven
	res := judge(w)
	if e := res.Experiments[0]; e.Injection.Status == "proven" || e.Verdict != chaos.Inconclusive {
		t.Errorf("got %s, injection %s: %s", e.Verdict, e.Injection.Status, list(res))
	}
}

// TestNoAuditIsSaid finds every invariant inconclusive, and says why once.
func TestNoAuditIsSaid(t *testing.T) {
	res := judge(unread())
	if res.Verdict != chaos.Inconclusive || res.Exit != 3 {
		t.Errorf("got %s, exit %d: %s", res.Verdict, res.Exit, list(res))
	}
	for _, l := range res.Audit {
		if l.Verdict != chaos.Inconclusive || !strings.Contains(l.Text, why) {
			t.Errorf("%s is %s: %s", l.Name, l.Verdict, l.Text)
		}
	}
	for _, g := range res.Gates {
		if !g.OK {
			t.Errorf("gate %s: %s", g.Name, g.Text)
		}
	}
	for _, e := range res.Experiments {
		if e.Verdict != chaos.Inconclusive {
			t.Errorf("%s is %s, and nobody has looked at the data", e.Name, e.Verdict)
		}
	}
}

func TestWithoutAuditAFailureStands(t *testing.T) {
	w := unread()
	w.each(firstBegun+1, firstBegun+6, failed)
	if res := judge(w); res.Verdict != chaos.Fail {
		t.Errorf("got %s: %s", res.Verdict, list(res))
	}
}
