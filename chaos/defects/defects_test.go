package defects_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/chaos/check"
	"github.com/bedlamlab/bedlam/chaos/defects"
	"github.com/bedlamlab/bedlam/chaos/experiments"
)

// sources returns the module's root, and skips where nothing can be built.
func sources(t *testing.T) string {
	t.Helper()
	for _, program := range []string{"git", "go"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("building patches needs %s: %v", program, err)
		}
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func all(t *testing.T) []defects.Patch {
	t.Helper()
	patches, err := defects.All()
	if err != nil {
		t.Fatal(err)
	}
	return patches
}

// TestTheCatalogue holds the headers of all patches together: numbers are
// given once, and what they name is there.
func TestTheCatalogue(t *testing.T) {
	number := map[string]*regexp.Regexp{
		defects.Defect: regexp.MustCompile(`^B[0-9]{2}$`), defects.Decoy: regexp.MustCompile(`^D[0-9]{2}$`), defects.Harmless: regexp.MustCompile(`^$`),
	}
	given := map[string]string{}
	kinds := map[string]int{}
	for _, p := range all(t) {
		kinds[p.Kind]++
		if !number[p.Kind].MatchString(p.ID) {
			t.Errorf("%s: a %s has the number %q", p.Name, p.Kind, p.ID)
		}
		if before := given[p.ID]; before != "" {
			t.Errorf("%s and %s are both %s", before, p.Name, p.ID)
		}
		if p.ID != "" {
			given[p.ID] = p.Name
		}
		if p.Sample && p.Kind != defects.Defect {
			t.Errorf("%s: only a defect is a sample", p.Name)
		}
		for _, name := range p.Checks {
			if !slices.ContainsFunc(check.Checks(), func(c check.Check) bool { return c.Name == name }) {
				t.Errorf("%s: no check is called %s", p.Name, name)
			}
		}
		if len(p.ExposedBy) > 0 {
			if _, err := experiments.Find(p.ExposedBy); err != nil {
				t.Errorf("%s: %v", p.Name, err)
			}
		}
	}
	t.Logf("%d defects, %d decoys, %d harmless patches", kinds[defects.Defect], kinds[defects.Decoy], kinds[defects.Harmless])
}

// TestAPatchIsBuiltIn builds the shop with a patch of a file that it embeds, as
// it is tried, and finds what the patch takes out gone.
func TestAPatchIsBuiltIn(t *testing.T) {
	root := sources(t)
	for _, p := range all(t) {
		if p.Name != "stock-taken-before-the-reservation" {
			continue
		}
		out := filepath.Join(t.TempDir(), "shop")
		if err := p.Build(t.Context(), root, out); err != nil {
			t.Fatal(err)
		}
		program, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(program, []byte("CREATE FUNCTION reserve(")) || bytes.Contains(program, []byte("its twin or its release came first")) {
			t.Error("the shop was built without the patch")
		}
		return
	}
	t.Fatal("the patch of this test is gone: name another")
}

// TestAPatchThatNoLongerAppliesIsRefused holds one against sources that it
// does not fit.
func TestAPatchThatNoLongerAppliesIsRefused(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "services/payment"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ask.go", "run.go"} {
		if err := os.WriteFile(filepath.Join(root, "services/payment", name), []byte("package payment\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range all(t) {
		if p.Name != "charge-again-on-retry" {
			continue
		}
		if err := p.Build(t.Context(), root, filepath.Join(root, "out")); err == nil || !strings.Contains(err.Error(), "does not apply") {
			t.Errorf("got %v, want that it does not apply", err)
		}
		return
	}
	t.Fatal("the patch of this test is gone: name another")
}
