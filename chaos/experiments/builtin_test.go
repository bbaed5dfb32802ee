package experiments_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/experiments"
	"github.com/bedlamlab/bedlam/services"
)

func all(t *testing.T) []chaos.Experiment {
	t.Helper()
	es, err := experiments.All()
	if err != nil {
		t.Fatal(err)
	}
	return es
}

func TestBuiltIn(t *testing.T) {
	files, err := filepath.Glob("*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	es := all(t)
	if len(es) != len(files) || len(es) == 0 {
		t.Errorf("%d experiments of %d files", len(es), len(files))
	}
	for _, e := range es {
		t.Run(e.Name, func(t *testing.T) {
			if err := experiments.Fit(e, services.Shop()); err != nil {
				t.Error(err)
			}
			if e.Description == "" || e.Hypothesis.Title == "" || len(e.Tags) == 0 {
				t.Error("it does not say what it is about, what should hold, or to which suite it belongs")
			}
			for _, l := range e.Hypothesis.Limits {
				if !slices.ContainsFunc(chaos.Metrics, func(m chaos.Metric) bool { return m.Name == l.Metric }) {
					t.Errorf("unknown metric %q", l.Metric)
				}
			}
			// A shop that is not judged after the fault could stay broken.
			if !slices.ContainsFunc(e.Hypothesis.Limits, func(l chaos.Limit) bool { return l.Phase == "after" || l.Metric == "recovery" }) {
				t.Error("no limit speaks of the time after the fault")
			}
			if e.Abort <= 0 && e.Watch == 0 && e.Name != "shop-postgres-killed" { // whose outage is the point
				t.Error("it never aborts")
			}
		})
	}
}

func TestSuites(t *testing.T) {
	suites, err := experiments.Suites()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"containers", "default", "extra", "smoke"} {
		if !slices.Contains(suites, want) {
			t.Errorf("no suite %s in %q", want, suites)
		}
	}
	if !slices.IsSorted(suites) || len(slices.Compact(slices.Clone(suites))) != len(suites) {
		t.Errorf("%q: want each once, sorted", suites)
	}
}

// The default suite is what a commit is gated by: what is in it stays in it, and
// it grows by decision, not by the way.
func TestTheDefaultSuite(t *testing.T) {
	var names []string
	for _, e := range all(t) {
		if slices.Contains(e.Tags, "default") {
			names = append(names, e.Name)
		}
		for _, apart := range []string{"containers", "extra"} {
			if slices.Contains(e.Tags, apart) && len(e.Tags) > 1 {
				t.Errorf("%s is of the suite %s, and in %q", e.Name, apart, e.Tags)
			}
		}
		// The other suites run on every engine.
		if needsContainers := func(s chaos.Step) bool { return s.Action == "oom" }; slices.ContainsFunc(e.Method, needsContainers) != slices.Contains(e.Tags, "containers") {
			t.Errorf("%s is in %q: want it in the suite containers if one of its faults needs them, and only then", e.Name, e.Tags)
		}
	}
	const want = "bank-slow-then-cut-off catalog-replica-paused checkout-killed-mid-saga gateway-replica-killed " +
		"inventory-cut-off-from-checkout payment-replica-killed recommend-down shop-postgres-killed"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestFind(t *testing.T) {
	name := func(e chaos.Experiment) string { return e.Name }
	find := func(words ...string) string {
		es, err := experiments.Find(words)
		if err != nil {
			return err.Error()
		}
		var names []string
		for _, e := range es {
			names = append(names, name(e))
		}
		return strings.Join(names, " ")
	}
	mine := filepath.Join(t.TempDir(), "mine.yml")
	b, err := os.ReadFile("recommend-down.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(mine, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := find("recommend-down"); got != "recommend-down" {
		t.Error(got)
	}
	if got := find("recommend-down", "recommend-down", "smoke"); strings.Count(got, "recommend-down") != 1 || !strings.HasPrefix(got, "recommend-down ") {
		t.Errorf("%s: want it once, first, and the suite after it", got)
	}
	if got := find(mine, "recommend-down"); got != "mine recommend-down" {
		t.Error(got)
	}
	if got := find(mine, filepath.Dir(mine)+"/./mine.yml"); got != "mine" {
		t.Errorf("%s: want the file that is named twice once", got)
	}
	other := filepath.Join(t.TempDir(), "mine.yaml")
	ours := filepath.Join(t.TempDir(), "recommend-down.yaml")
	nameless := filepath.Join(t.TempDir(), ".yaml")
	for _, path := range []string{other, ours, nameless} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for want, words := range map[string][]string{
		"two experiments are called mine: " + mine + " and " + other:                 {mine, other},
		"two experiments are called recommend-down: recommend-down and " + ours:      {"smoke", ours},
		"two experiments are called recommend-down: " + ours + " and recommend-down": {ours, "smoke"},
		nameless + ": the file has nothing before its ending":                        {nameless},
	} {
		if got := find(words...); !strings.HasPrefix(got, want) {
			t.Errorf("%q: got %s, want %s", words, got, want)
		}
	}
	if es, err := experiments.Find([]string{"./../experiments/recommend-down.yaml", "gateway-replica-killed"}); err != nil ||
		es[0].Word != "./../experiments/recommend-down.yaml" || es[1].Word != "gateway-replica-killed" {
		t.Errorf("got %+v, %v: want each with the word that names it", es, err)
	}
	for _, c := range [][]string{{"nonsense"}, {""}, {"./none.yaml"}, {}} {
		if es, err := experiments.Find(c); err == nil {
			t.Errorf("%q found %d experiments", c, len(es))
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none.yaml"): "no such file",
		dir:                             "not a regular file",
		write("empty.yaml", nil):        "the file is empty",
		write("huge.yaml", make([]byte, 1<<20+1)):    "an experiment has at most",
		write("binary.yaml", []byte("\x7fELF\x00")):  "not a text file",
		write("latin1.yaml", []byte("title: \xe9t")): "not a text file",
	} {
		if _, err := experiments.Load(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want %s", filepath.Base(path), err, want)
		}
	}
}
