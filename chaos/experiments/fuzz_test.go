package experiments_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/chaos/experiments"
	"github.com/bedlamlab/bedlam/services"
)

// Whatever is parsed can be written into a plan, names its victims, and is
// held to something; whatever is not says which file.
func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	files, err := filepath.Glob("*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, text := range []string{"---\n", "a: &a [*a]", "? {a: b}\n: c", "title: !!binary aGk=", "<<: {title: T}", "method: [{action: kill, 7: 8}]"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := experiments.Parse("fuzz.yaml", b)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "fuzz.yaml:") {
				t.Errorf("an error that does not say where: %v", err)
			}
			return
		}
		if len(e.Method) == 0 || len(e.Hypothesis.Limits) == 0 || e.Name != "fuzz" {
			t.Errorf("parsed %+v", e)
		}
		for _, s := range e.Method {
			if s.Selector.Empty() || s.Target != nil && s.Target.Empty() {
				t.Error("a step that would harm everything")
			}
			if len(s.Args) > 0 && !json.Valid(s.Args) {
				t.Errorf("parameters %q", s.Args)
			}
		}
		if _, err := json.Marshal(e); err != nil {
			t.Errorf("no plan can hold it: %v", err)
		}
		_ = experiments.Fit(e, services.Shop()) // must not panic
	})
}
