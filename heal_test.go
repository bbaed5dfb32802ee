package bedlam

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy/guard"
)

// deserted leaves an entry in a registry of the test's own, of a run on the
// engine docker whose daemon is away: nobody can heal it now.
func deserted(t *testing.T) (entry string) {
	t.Helper()
	state := t.TempDir()
	t.Setenv("BEDLAM_STATE", state)
	t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(t.TempDir(), "nobody.sock"))
	owner, err := guard.Register(state, guard.Run{ID: "dead", Engine: "docker", Scratch: filepath.Join(t.TempDir(), "bedlam-dead"),
		Program: "bedlam", PID: os.Getpid(), Started: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	entry = filepath.Join(state, "runs", "dead.json")
	b, err := os.ReadFile(entry)
	if err != nil {
		t.Fatal(err)
	}
	// Its owner's death: the entry stays, and nobody holds its lock.
	if err := owner.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(entry, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return entry
}

// noted collects what a run has noted.
func noted(notes *[]string) Options {
	return Options{Observe: func(s Status) {
		if s.Note != "" {
			*notes = append(*notes, s.Note)
		}
	}}
}

func TestALeftoverOfAnotherEngineStopsNobody(t *testing.T) {
	entry := deserted(t)
	var notes []string
	if err := healFor(t.Context(), noted(&notes), "process"); err != nil {
		t.Errorf("a run on the engine process is stopped by %v", err)
	}
	if len(notes) != 1 || !strings.Contains(notes[0], "run dead") || !strings.Contains(notes[0], "engine docker") || strings.Contains(notes[0], "\n") {
		t.Errorf("noted %q, want one line that says which run is left, and on which engine", notes)
	}
	if err := healFor(t.Context(), noted(&notes), "docker"); err == nil || !strings.Contains(err.Error(), "run dead") {
		t.Errorf("a run on the same engine: got %v, want what is left there", err)
	}
	if err := Heal(t.Context(), nil); err == nil {
		t.Error("healing says nothing of what it could not heal")
	}
	if _, err := os.Stat(entry); err != nil {
		t.Errorf("the entry is gone, for nobody to heal: %v", err)
	}
}

// TestNoFolderIsLeftByARunThatCannotBegin: nobody knows what the entry stands
// for, so that nothing is begun, nor made.
func TestNoFolderIsLeftByARunThatCannotBegin(t *testing.T) {
	entry := deserted(t)
	if err := os.WriteFile(entry, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(t.TempDir(), "run")
	o := Options{Shop: program(t), Bedlam: program(t), Out: folder, Words: []string{"smoke"}}
	_, err := Run(t.Context(), o)
	if err == nil || errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), entry) {
		t.Errorf("got %v, want an error that names %s", err, entry)
	}
	if err := Up(t.Context(), UpOptions{Options: o, Listen: "127.0.0.1:0"}); err == nil || !strings.Contains(err.Error(), entry) {
		t.Errorf("up: got %v, want an error that names %s", err, entry)
	}
	if _, err := os.Stat(folder); err == nil {
		t.Error("an empty folder is left")
	}
}

// program is one that ends at once, in the place of those that a run starts.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestARecordThatCannotBeReadIsNoMistakeOfTheCaller: something was started, so
// that it is not what [ErrUsage] says.
func TestARecordThatCannotBeReadIsNoMistakeOfTheCaller(t *testing.T) {
	t.Setenv("BEDLAM_STATE", t.TempDir())
	folder := filepath.Join(t.TempDir(), "run")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := Run(ctx, Options{Shop: program(t), Bedlam: program(t), Out: folder, Words: []string{"smoke"}, Observe: func(s Status) {
		if s.Step == "judging" {
			if err := os.WriteFile(filepath.Join(folder, planFile), []byte("{"), 0o600); err != nil {
				t.Error(err)
			}
		}
	}})
	if err == nil || errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), planFile) || out.Folder != folder || out.Result.Schema != "" {
		t.Errorf("got %v in %q, want an error about %s that is none of usage", err, out.Folder, planFile)
	}
	if _, err := Judge(folder); !errors.Is(err, ErrUsage) {
		t.Errorf("judging it again: got %v, want an error of usage", err)
	}
}
