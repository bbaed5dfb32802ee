package experiments_test

import (
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/experiments"
	"github.com/bedlamlab/bedlam/services"
)

// withMargins is the good experiment with these.
func withMargins(margins string) []byte {
	return []byte(strings.Replace(good, "method:", "  margins: ["+margins+"]\nmethod:", 1))
}

func TestMargins(t *testing.T) {
	e, err := experiments.Parse("x.yaml", withMargins(`{name: goodput, arguments: {class: checkout}, most: 0.01}, {name: p90, arguments: {phase: after}, times: 1.5}, {name: recovery, most: 3}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []chaos.Margin{{Metric: "goodput", Phase: "fault", Class: "checkout", Most: 0.01}, {Metric: "p90", Phase: "after", Times: 1.5}, {Metric: "recovery", Most: 3}}
	if len(e.Hypothesis.Margins) != len(want) {
		t.Fatalf("got %+v", e.Hypothesis.Margins)
	}
	for i, m := range e.Hypothesis.Margins {
		if m != want[i] {
			t.Errorf("got %+v, want %+v", m, want[i])
		}
	}
	// The defaults fill in what neither a margin nor a limit speaks of: here
	// the time after has a limit of goodput, and amplification has one.
	var all []string
	for _, m := range e.Hypothesis.AllMargins() {
		all = append(all, strings.TrimSpace(m.Metric+" "+m.Phase))
	}
	if got := strings.Join(all, ", "); got != "goodput fault, p90 after, recovery" {
		t.Errorf("all margins: %s", got)
	}
	if d := (chaos.Hypothesis{}).AllMargins(); len(d) != len(chaos.DefaultMargins) {
		t.Errorf("of an experiment that says nothing: %+v", d)
	}
}

func TestBadMargins(t *testing.T) {
	for _, c := range []struct{ margin, want string }{
		{"{name: nonsense, most: 1}", `x.yaml:9: unknown probe "nonsense"`},
		{"{name: goodput}", "a margin has most, in the metric's unit, or times, a ratio: one of them"},
		{"{name: goodput, most: 1, times: 2}", "one of them"},
		{"{name: goodput, most: -1}", "most is -1, want 0 or more"},
		{"{name: goodput, most: .nan}", "most is NaN"},
		{"{name: p90, times: 0.5}", "times is 0.5, want 1 or more"},
		{"{name: p90, times: .inf}", "times is +Inf"},
		{"{name: recovery, times: 2}", "recovery takes most and not times"},
		{"{name: goodput, arguments: {phase: baseline}, most: 1}", "in the baseline nothing differs"},
		{"{name: goodput, arguments: {phase: never}, most: 1}", `unknown phase "never"`},
		{"{name: goodput, colour: red}", `unknown key "colour" in a margin`},
		{"{name: goodput, most: x}", "x.yaml:9:"},
		{"7", "a margin must be a mapping"},
	} {
		if _, err := experiments.Parse("x.yaml", withMargins(c.margin)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.margin, err, c.want)
		}
	}
	e, err := experiments.Parse("x.yaml", withMargins("{name: amplification, arguments: {edge: bank->gateway}, times: 2}"))
	if err != nil {
		t.Fatal(err)
	}
	if err := experiments.Fit(e, services.Shop()); err == nil || !strings.Contains(err.Error(), "bank->gateway") {
		t.Errorf("an edge that there is not: %v", err)
	}
}
