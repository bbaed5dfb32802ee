package check_test

import (
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
)

// TestRepeat holds the command that repeats a finding against what was asked
// for.
func TestRepeat(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(p *chaos.Plan)
		want   string // of a finding of the first experiment
		whole  string // of one that belongs to no experiment
	}{
		{"as it is by default", func(p *chaos.Plan) { p.Arrivals, p.Words = "poisson", []string{"smoke"} },
			"bedlam run --engine process --seed 7 --rate 40 bank-cut-off", "bedlam run --engine process --seed 7 --rate 40 smoke"},
		{"other arrivals", func(p *chaos.Plan) { p.Arrivals, p.Words = "constant", []string{"smoke"} },
			"bedlam run --engine process --seed 7 --rate 40 --arrivals constant bank-cut-off",
			"bedlam run --engine process --seed 7 --rate 40 --arrivals constant smoke"},
		{"a file of one's own", func(p *chaos.Plan) {
			p.Words = []string{"smoke", "./my experiments/bank-cut-off.yaml"}
			p.Experiments[0].Word = "./my experiments/bank-cut-off.yaml"
		}, "bedlam run --engine process --seed 7 --rate 40 './my experiments/bank-cut-off.yaml'",
			"bedlam run --engine process --seed 7 --rate 40 smoke './my experiments/bank-cut-off.yaml'"},
		{"a plan of an earlier version", func(p *chaos.Plan) { p.Suite = "smoke bank-cut-off" },
			"bedlam run --engine process --seed 7 --rate 40 bank-cut-off", "bedlam run --engine process --seed 7 --rate 40 smoke bank-cut-off"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := golden()
			c.change(&w.plan)
			w.each(5, 5.02, untruthful) // before any experiment
			w.each(firstBegun+3, firstBegun+3.02, untruthful)
			res := judge(w)
			for name, want := range map[string]string{bankCut: c.want, "": c.whole} {
				if got := findings(res, "truth")[name]; len(got) == 0 || got[0].Repeat != want {
					t.Errorf("%q: got %+v, want %s", name, got, want)
				}
			}
		})
	}
}
