package runner_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/runner"
	"github.com/bedlamlab/bedlam/deploy"
)

func journal(t *testing.T, entries ...chaos.Entry) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal")
	j, err := runner.CreateJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	for _, e := range entries {
		if err := j.Write(e); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func injecting(id string) chaos.Entry {
	return chaos.Entry{Kind: chaos.Injecting, ID: id, Fault: &chaos.Resolved{ID: id, Action: "harm"}}
}

// TestATornTailIsNoError cuts a journal at every byte: what stands before the
// last whole line is read, and the rest is said to be torn.
func TestATornTailIsNoError(t *testing.T) {
	path := journal(t, injecting("a/1"), chaos.Entry{Kind: chaos.Injected, ID: "a/1"})
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		cut := filepath.Join(t.TempDir(), "cut")
		if err := os.WriteFile(cut, whole[:n], 0o644); err != nil {
			t.Fatal(err)
		}
		entries, torn, err := runner.ReadJournal(cut)
		lines := 0
		for _, b := range whole[:n] {
			if b == '\n' {
				lines++
			}
		}
		atEnd := n == 0 || whole[n-1] == '\n'
		if err != nil || len(entries) != lines || (torn == "") != atEnd {
			t.Fatalf("cut at %d: %d entries, torn %q, %v; want %d entries", n, len(entries), torn, err, lines)
		}
	}
}

func TestWhatIsNoJournalIsRefused(t *testing.T) {
	for _, text := range []string{"{}\n", "\x00\x01\n", "[]\n", "{\"kind\":\"injected\"}\n"} {
		path := filepath.Join(t.TempDir(), "journal")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, err := runner.ReadJournal(path); err == nil {
			t.Errorf("%q is taken for a journal", text)
		}
	}
}

func FuzzReadJournal(f *testing.F) {
	f.Add([]byte(`{"time":"2026-01-31T10:15:04Z","kind":"injecting","fault":{"id":"a/1","action":"kill"}}` + "\n"))
	f.Add([]byte("{"))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "journal")
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		entries, _, err := runner.ReadJournal(path)
		if err == nil {
			runner.Live(entries)
		}
	})
}

func TestHealLiftsWhatIsLiveLatestFirst(t *testing.T) {
	path := journal(t, injecting("a/1"), chaos.Entry{Kind: chaos.LiftProven, ID: "a/1"}, injecting("b/1"),
		chaos.Entry{Kind: chaos.Injected, ID: "b/1"}, injecting("b/2"), chaos.Entry{Kind: chaos.Lifted, ID: "b/1"})
	// A crash in the middle of a line.
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"time":"2026-`); err != nil {
		t.Fatal(err)
	}
	f.Close()
	var lifted []string
	s := &stage{on: map[string]bool{}}
	build := func(r chaos.Resolved) (chaos.Fault, error) { return lifting{&lifted, r.ID}, nil }
	for range 2 { // the second time there is nothing left
		if err := runner.Heal(t.Context(), path, s, build); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"b/2", "b/1"}; !slices.Equal(lifted, want) {
		t.Errorf("lifted %v, want %v", lifted, want)
	}
	if entries, torn, err := runner.ReadJournal(path); err != nil || torn != "the journal's line 7 is torn" || len(runner.Live(entries)) > 0 {
		t.Errorf("the journal afterwards: live %v, torn %q, %v", runner.Live(entries), torn, err)
	}
}

// TestHealingCutsOffNoLivingOwner: the owner of a run that only slept is in the
// middle of a line while another process heals.
func TestHealingCutsOffNoLivingOwner(t *testing.T) {
	path := journal(t, injecting("a/1"))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	owner, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	const begun = `{"time":"2026-01-31T10:15:00Z","kind":"inj`
	if _, err := owner.WriteString(begun); err != nil {
		t.Fatal(err)
	}
	healer, err := runner.AppendJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	defer healer.Close()
	if b, err := os.ReadFile(path); err != nil || string(b) != string(whole)+begun+"\n" {
		t.Errorf("opening the journal left %q of it, %v", b, err)
	}
	if err := healer.Write(chaos.Entry{Kind: chaos.LiftProven, ID: "a/1"}); err != nil {
		t.Fatal(err)
	}
	entries, torn, err := runner.ReadJournal(path)
	if err != nil || len(entries) != 2 || torn != "the journal's line 2 is torn" {
		t.Errorf("got %d entries, torn %q, %v", len(entries), torn, err)
	}
}

func TestHealSaysWhatItCannotLift(t *testing.T) {
	path := journal(t, injecting("a/1"))
	fails := errors.New("no such power")
	build := func(chaos.Resolved) (chaos.Fault, error) { return nil, fails }
	if err := runner.Heal(t.Context(), path, &stage{}, build); !errors.Is(err, fails) {
		t.Errorf("got %v", err)
	}
	entries, _, err := runner.ReadJournal(path)
	if err != nil || len(runner.Live(entries)) != 1 {
		t.Errorf("it counts as lifted: %v, %v", entries, err)
	}
}

func TestNoJournalIsNothingToHeal(t *testing.T) {
	if err := runner.Heal(t.Context(), filepath.Join(t.TempDir(), "none"), &stage{}, nil); err != nil {
		t.Error(err)
	}
}

type lifting struct {
	lifted *[]string
	id     string
}

func (l lifting) Inject(context.Context, deploy.System) error { return nil }
func (l lifting) Lift(context.Context, deploy.System) error {
	*l.lifted = append(*l.lifted, l.id)
	return nil
}
