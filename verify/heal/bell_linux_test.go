package heal_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/verify/heal"
)

// A bell rings for each write to a file that was made, with its folder, after it.
func TestABellRings(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "run")
	file := filepath.Join(folder, "journal")
	rings, end, err := heal.Bell(dir, folder, file)
	if err != nil {
		t.Fatal(err)
	}
	heard := func(what string) {
		t.Helper()
		select {
		case _, open := <-rings:
			if !open {
				t.Fatalf("after %s it is broken", what)
			}
		case <-time.After(most):
			t.Fatalf("it does not ring for %s", what)
		}
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	heard("the folder")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	heard("the file")
	for _, line := range []string{"one", "another"} {
		for len(rings) > 0 { // of what was heard already
			<-rings
		}
		if _, err := f.WriteString(line); err != nil {
			t.Fatal(err)
		}
		heard(line)
	}
	if err := end(); err != nil {
		t.Fatal(err)
	}
	for range rings { // ends with the bell
	}
}
