package results_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/verify/results"
)

type line struct{ Commit, Name string }

func of(commit string) func(line) bool {
	return func(l line) bool { return l.Commit == commit }
}

func TestWhatIsAppendedIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "folder", "r.jsonl")
	if got, err := results.Read(path, of("a")); err != nil || got != nil {
		t.Fatalf("without a file: %v, %v", got, err)
	}
	for _, l := range []line{{"a", "one"}, {"b", "two"}, {"a", "three"}} {
		if err := results.Append(path, l); err != nil {
			t.Fatal(err)
		}
	}
	got, err := results.Read(path, of("a"))
	if want := []line{{"a", "one"}, {"a", "three"}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func TestABadLineIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.jsonl")
	if err := os.WriteFile(path, []byte("{}\n{\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := results.Read(path, of("")); err == nil || !strings.Contains(err.Error(), "r.jsonl:2:") {
		t.Errorf("got %v, want the line", err)
	}
}
