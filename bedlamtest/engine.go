package bedlamtest

import (
	"slices"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam"
	"github.com/bedlamlab/bedlam/deploy/docker"
)

// engine returns the engine that is asked for, or the one to choose here, if
// this machine can run it; else it ends the test.
func engine(t testing.TB, asked string) string {
	t.Helper()
	chosen := asked
	if chosen == "" {
		chosen = "process"
		err := able(t, "docker")
		if err == nil {
			chosen = "docker"
		}
		t.Logf("the shop runs on the engine %s%s", chosen, because(err))
	}
	if !slices.Contains(bedlam.Engines(), chosen) {
		t.Fatalf("there is no engine %q; there are: %s", chosen, strings.Join(bedlam.Engines(), ", "))
	}
	if err := able(t, chosen); err != nil {
		cannot(t, "this machine cannot run the engine %s: %v", chosen, err)
	}
	return chosen
}

// able says why this machine cannot run an engine.
func able(t testing.TB, name string) error {
	switch name {
	case "process":
		_, err := bedlam.Postgres(t.Context(), func(text string) { t.Log(text) })
		return err
	case "docker":
		_, err := docker.Version(t.Context())
		return err
	}
	return nil
}

// because says why it is not docker.
func because(err error) string {
	if err == nil {
		return ""
	}
	return ", since docker cannot be used: " + err.Error()
}
