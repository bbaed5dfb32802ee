package main

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bedlamlab/bedlam"
	"github.com/bedlamlab/bedlam/chaos/runner"
)

// TestPlainProgress tells a log of steps that follow one another quickly and of
// one that comes soon after another but lasts.
func TestPlainProgress(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	synctest.Test(t, func(t *testing.T) {
		p := newProgress(f) // a file is no terminal
		step := func(text string, lasts time.Duration) {
			p.show(bedlam.Status{Step: text})
			time.Sleep(lasts) // of the bubble's clock
		}
		step("first", 200*time.Millisecond)
		step("fetching", 9*time.Second)
		step("unpacking", 100*time.Millisecond)
		step("1 of 3 are ready", 100*time.Millisecond)
		step("2 of 3 are ready", 100*time.Millisecond)
		for range 3 {
			p.show(bedlam.Status{Progress: runner.Progress{Phase: "warm-up"}})
			time.Sleep(500 * time.Millisecond) // of the bubble's clock
		}
		p.show(bedlam.Status{Progress: runner.Progress{Phase: "baseline"}})
		step("judging", 10*time.Millisecond)
		p.done()
		time.Sleep(5 * time.Second) // of the bubble's clock: nothing may follow what is done
	})
	got, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	want := `   0.0s  first
   0.2s  fetching
   9.2s  unpacking
   9.5s  warm-up
  11.0s  baseline
`
	if string(got) != want {
		t.Errorf("log:\n%swant:\n%s", got, want)
	}
}
