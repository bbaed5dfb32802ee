package mutate_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/verify/mutate"
)

// A package of which one comparison and one constant are held by a test, one
// comparison is not, and one constant cannot be another.
const (
	source = `package p

const limit = 10

func Over(n int) bool { return n > limit }

func Unheld(a, b int) bool { return a == b }

type three [3]int

var _ = three([3]int{})
`
	test = `package p

import "testing"

func TestOver(t *testing.T) {
	if Over(10) || !Over(11) {
		t.Error("wrong")
	}
}
`
)

func module(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module m\n\ngo 1.26\n", "p/p.go": source, "p/p_test.go": test} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestProve(t *testing.T) {
	root := module(t)
	tried := 0
	o := mutate.Options{Root: root, Package: "p", Results: filepath.Join(root, "results.jsonl"), Beside: 2, Tell: func(string) { tried++ }}
	proofs, err := mutate.Prove(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range proofs {
		got = append(got, p.String()+" "+string(p.Fate))
	}
	want := []string{
		"p.go:3:15: 10 → 11 killed",
		"p.go:5:34: > → >= killed",
		"p.go:7:39: == → != survived",
		"p.go:9:13: 3 → 4 stillborn",
		"p.go:11:16: 3 → 4 stillborn",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	again, err := mutate.Prove(t.Context(), o)
	if err != nil || len(again) != len(proofs) || tried != len(proofs) {
		t.Errorf("a second time: %d proofs of %d tries, %v", len(again), tried, err)
	}
	s := mutate.Sum(proofs, map[string]string{"p.go: == → !=: func Unheld(a, b int) bool { return a == b }": "nobody asks"})
	if s.Total != 3 || s.Killed != 2 || len(s.Survivors) != 1 || s.Survivors[0].Why != "nobody asks" {
		t.Errorf("sum: %+v", s)
	}

	// Tests that fail by themselves would kill everything.
	if err := os.WriteFile(filepath.Join(root, "p", "bad_test.go"), []byte("package p\n\nimport \"testing\"\n\nfunc TestBad(t *testing.T) { t.Error(\"bad\") }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := mutate.Prove(t.Context(), o); err == nil || !strings.Contains(err.Error(), "fail without any mutant") {
		t.Errorf("with a test that fails by itself: %v", err)
	}
}

func TestReasons(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.txt")
	for text, want := range map[string]int{"# note\na.go: < → <=: a < b\n\twhy\n\nb: c\n\twhy not\n": 2, "": 0, "\twhy\n": -1, "a\nb\n": -1} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := mutate.Reasons(path); len(got) != max(want, 0) && want >= 0 || (err != nil) != (want < 0) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	if got, err := mutate.Reasons(path + "nowhere"); len(got) > 0 || err != nil {
		t.Errorf("without a file: %v, %v", got, err)
	}
}

// The judge has mutants, and each can be told from the others.
func TestOfTheJudge(t *testing.T) {
	all, err := mutate.Of("../../chaos/check")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, m := range all {
		if seen[m.String()] {
			t.Errorf("%s stands twice", m)
		}
		seen[m.String()] = true
	}
	t.Logf("%d mutants", len(all)) // a figure to look at
}
