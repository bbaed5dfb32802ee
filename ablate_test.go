package bedlam

import (
	"slices"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/services"
)

// An experiment touches the edges that it harms, those into what it kills, and
// those into the users of a store that it kills; never one of a store's, nor the
// customers' own.
func TestTouched(t *testing.T) {
	for name, want := range map[string]string{
		"bank-slow-then-cut-off":          "payment->bank",
		"recommend-down":                  "gateway->recommend",
		"inventory-cut-off-from-checkout": "checkout->inventory",
		"gateway-replica-killed":          "",
		"payment-replica-killed":          "checkout->payment payment->bank", // whose links it slows, too
	} {
		if got := strings.Join(touchedBy(t, name), " "); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if got := touchedBy(t, "shop-postgres-killed"); !slices.Contains(got, "gateway->catalog") || slices.Contains(got, "payment->bank") {
		t.Errorf("of the shop's store: got %q", got)
	}
}

func touchedBy(t *testing.T, name string) (edges []string) {
	t.Helper()
	s, err := Foresee(Options{Words: []string{name}, Seed: 1, Bedlam: "/bin/sh", Shop: "/bin/sh"})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range touched(s.Experiments[0], services.Shop()) {
		edges = append(edges, e.Name())
	}
	return edges
}

// Each mechanism of every edge of the shop that has one can be taken away.
func TestLacking(t *testing.T) {
	n := 0
	for _, e := range services.Shop().Edges {
		for _, m := range e.Policy.Mechanisms() {
			o := Options{without: &lacking{e.Name(), m}}
			for _, x := range o.topology().Edges {
				if has := slices.Contains(x.Policy.Mechanisms(), m); x.Name() == e.Name() && has {
					t.Errorf("%s still has its %s", e.Name(), m)
				}
			}
			n++
		}
	}
	if n < 40 {
		t.Errorf("only %d were tried", n)
	}
}

func TestBearing(t *testing.T) {
	half, slow := 0.5, 2.0
	b := bearing(chaos.Result{Verdict: chaos.Fail,
		Audit:    []chaos.AuditLine{{Violations: 2}, {Violations: 1}},
		Findings: []chaos.Finding{{Check: "captured-once", Site: "payment", Verdict: chaos.Fail}},
		Experiments: []chaos.ExperimentResult{{Rows: []chaos.Row{
			{Metric: "goodput", Class: "home"}, {Metric: "goodput", Fault: &half}, {Metric: "p90", Fault: &slow}},
			Findings: []chaos.Finding{{Check: "captured-once", Site: "payment", Verdict: chaos.Fail}, {Check: "injection", Verdict: chaos.Inconclusive}}}}})
	if b.Harm != 3 || b.Goodput != &half || b.P90 != &slow || b.Recovery != nil || strings.Join(b.Findings, ";") != "captured-once at payment" {
		t.Errorf("got %+v", b)
	}
}
