package supervise_test

import (
	"testing"

	"github.com/bedlamlab/bedlam/deploy/supervise"
)

// TestOwner asks, as whoever heals a run does, whether its keepers live.
func TestOwner(t *testing.T) {
	f := supervise.Files{Scratch: t.TempDir()}
	if f.Owned() {
		t.Error("a run that nobody has begun has keepers")
	}
	release, err := f.Own()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // to ask changes nothing
		if !f.Owned() {
			t.Error("a run with keepers has none")
		}
	}
	if again, err := f.Own(); err == nil {
		again()
		t.Error("a run has keepers twice")
	}
	release()
	if f.Owned() {
		t.Error("a run's keepers outlive themselves")
	}
}
