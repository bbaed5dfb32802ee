package docker

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/bedlamlab/bedlam/deploy/guard"
)

// Who makes the stores' image for somebody's own containers is entered like a
// run as long as that takes, so that a heal finds what is left if it is killed.
func TestStoreImageIsRegistered(t *testing.T) {
	l := newLab(t)
	state := t.TempDir()
	t.Setenv("BEDLAM_STATE", state)
	l.official = "bedlam.invalid/postgres:17"
	ctx, cancel := context.WithCancel(l.ctx)
	defer cancel()
	var run guard.Run
	_, err := l.ownStoreImage(ctx, t.TempDir(), l.variant(l.run), func(string) {
		entries, err := filepath.Glob(filepath.Join(state, "runs", "*.json"))
		if err == nil && len(entries) == 1 {
			var b []byte
			if b, err = os.ReadFile(entries[0]); err == nil {
				run, err = guard.Parse(b)
			}
		}
		if err != nil || len(entries) != 1 {
			t.Errorf("while it is made, there are the entries %v, %v", entries, err)
		}
		l.cast(spec{Run: run.ID, Instance: "image"}, "live")
		cancel()
	})
	if err == nil {
		t.Error("it was cut short and has an image")
	}
	gone := func(when string) {
		t.Helper()
		if left, err := l.left(l.ctx, run.ID); err != nil || !left.none() {
			t.Errorf("%s there is %+v, %v", when, left, err)
		}
	}
	gone("after it was cut short")
	if left, err := filepath.Glob(filepath.Join(state, "runs", "*")); err != nil || len(left) > 0 {
		t.Errorf("afterwards there are the entries %v, %v", left, err)
	}
	// Killed, it leaves a container to whoever heals by the entry.
	l.cast(spec{Run: run.ID, Instance: "image"}, "live")
	if run.Engine != New().Name() {
		t.Errorf("it is healed as a run of %q", run.Engine)
	}
	l.must(New().Sweep(l.ctx, run.ID, run.Scratch))
	gone("after the heal")
}
