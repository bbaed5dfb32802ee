package experiments_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/experiments"
)

// What is written is read back as the same, for every experiment that there is.
func TestFormat(t *testing.T) {
	all, err := experiments.All()
	if err != nil {
		t.Fatal(err)
	}
	half := all[0] // none of them has margins
	half.Hypothesis.Margins = []chaos.Margin{{Metric: "goodput", Phase: "fault", Class: "checkout", Most: 0.01},
		{Metric: "p90", Phase: "after", Times: 1.5}, {Metric: "recovery", Most: 0}}
	for _, e := range append(all, half) {
		b, err := experiments.Format(e)
		if err != nil {
			t.Fatal(err)
		}
		again, err := experiments.Parse(e.Name+".yaml", b)
		if err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		again.Word = e.Word
		if diff := cmp.Diff(e, again); diff != "" {
			t.Errorf("%s: (-was +is)\n%s\n%s", e.Name, diff, b)
		}
	}
}
