package process_test

import (
	"testing"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/cell"
	"github.com/bedlamlab/bedlam/deploy/enginetest"
	"github.com/bedlamlab/bedlam/deploy/process"
)

// TestIsolatedEngine holds the engine to its contract when each instance has a
// network namespace and cgroups of its own, of which nothing may be left.
func TestIsolatedEngine(t *testing.T) {
	needCells(t)
	enginetest.Again(t, newIsolated, enginetest.Plan, func(t *testing.T, run string) {
		t.Helper()
		if left, err := cell.Left(run); err != nil || len(left) > 0 {
			t.Errorf("of run %s there is left %q (%v)", run, left, err)
		}
	})
}

func newIsolated(*testing.T) deploy.Engine {
	return process.New(process.Options{Isolation: process.Full})
}

func needCells(t *testing.T) {
	t.Helper()
	if err := cell.Check(); err != nil {
		t.Skip(err)
	}
}
