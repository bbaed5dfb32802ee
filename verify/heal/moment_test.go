package heal_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/bedlamlab/bedlam/verify/heal"
)

func TestMomentsFollowTheirSeed(t *testing.T) {
	fifty := heal.Moments("", 7, 50)
	if !slices.Equal(fifty, heal.Moments("", 7, 50)) || !slices.Equal(fifty[:5], heal.Moments("", 7, 5)) {
		t.Error("the same seed gives other moments")
	}
	if slices.Equal(fifty, heal.Moments("", 8, 50)) {
		t.Error("another seed gives the same moments")
	}
	phases, signals := map[string]int{}, map[heal.Signal]int{}
	for _, m := range fifty {
		phases[m.Phase]++
		signals[m.Signal]++
	}
	for _, p := range heal.Phases("") {
		if phases[p] == 0 {
			t.Errorf("fifty moments leave %s out", p)
		}
	}
	if len(signals) != 4 {
		t.Errorf("fifty moments use only %v", signals)
	}
}

// TestProofsAreNotDoneAgain gives Prove a file that has them all.
func TestProofsAreNotDoneAgain(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("proofs are for Linux")
	}
	dir := t.TempDir()
	for _, name := range []string{"bedlam", "shop"} { // never run
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	results := filepath.Join(dir, "heal.jsonl")
	f, err := os.Create(results)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	e := json.NewEncoder(f)
	for i, m := range heal.Moments("", 1, 3) {
		for _, commit := range []string{"this", "another"} {
			if err := e.Encode(heal.Proof{Commit: commit, Seed: 1, Index: i, Moment: m, OK: true}); err != nil {
				t.Fatal(err)
			}
		}
	}
	proofs, err := heal.Prove(t.Context(), heal.Options{Programs: dir, Seed: 1, Moments: 3, Results: results, Commit: "this"})
	if err != nil || len(proofs) != 3 {
		t.Errorf("%d proofs, %v", len(proofs), err)
	}
}
