package defects_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/chaos/defects"
	"github.com/bedlamlab/bedlam/chaos/experiments"
)

// TestEveryPatchBuilds keeps the patches true while the shop changes.
func TestEveryPatchBuilds(t *testing.T) {
	for _, program := range []string{"git", "go"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("building patches needs %s: %v", program, err)
		}
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	all, err := defects.All()
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, p := range all {
		kinds[p.Kind]++
		t.Run(p.Name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "shop")
			if err := p.Build(t.Context(), root, out); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(out); err != nil {
				t.Fatal(err)
			}
		})
		if len(p.ExposedBy) > 0 {
			if _, err := experiments.Find(p.ExposedBy); err != nil {
				t.Errorf("%s: %v", p.Name, err)
			}
		}
	}
	if kinds[defects.Defect] < 3 || kinds[defects.Harmless] < 3 {
		t.Errorf("%v patches, want at least three of each kind", kinds)
	}
}

// TestAPatchThatNoLongerAppliesIsRefused holds one against sources that it
// does not fit.
func TestAPatchThatNoLongerAppliesIsRefused(t *testing.T) {
	all, err := defects.All()
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "services/payment"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ask.go", "run.go"} {
		if err := os.WriteFile(filepath.Join(root, "services/payment", name), []byte("package payment\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range all {
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
