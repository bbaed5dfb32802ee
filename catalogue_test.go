package bedlam_test

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bedlamlab/bedlam"
)

func TestTheFaultsPageIsFresh(t *testing.T) {
	want, err := bedlam.FaultsPage()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("docs/faults.md is stale: make docs writes it again\n%s", cmp.Diff(string(got), string(want)))
	}
	for _, f := range bedlam.Faults() {
		if !strings.Contains(string(want), "| `"+f.Name+"` |") {
			t.Errorf("%s is not on the page: it is on %s, which has no table", f.Name, f.On)
		}
	}
}

// What an engine can do follows from its powers.
func TestEnginesOfFaults(t *testing.T) {
	engines := map[string][]string{}
	for _, f := range bedlam.Faults() {
		engines[f.Name] = f.Engines
		if len(f.Engines) == 0 {
			t.Errorf("no engine can do %s", f.Name)
		}
	}
	for _, c := range []struct {
		fault, engine string
		can           bool
	}{
		{"kill", "attached", true}, // everybody can be killed
		{"oom", "docker", true},
		{"oom", "attached", false},       // nothing of ours is inside
		{"partition", "process", true},   // there is a relay
		{"partition", "attached", false}, // there is none
		{"exhaust_connections", "attached", true},
		{"lock_table", "attached", false}, // its services' passwords are their own
		{"lock_table", "docker", true},
		{"surge", "attached", true}, // whoever has customers can have more
	} {
		if can := slices.Contains(engines[c.fault], c.engine); can != c.can {
			t.Errorf("%s on %s: %t", c.fault, c.engine, can)
		}
	}
}
