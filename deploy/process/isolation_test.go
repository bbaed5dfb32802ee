package process_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/cell"
	"github.com/bedlamlab/bedlam/deploy/enginetest"
	"github.com/bedlamlab/bedlam/deploy/process"
)

// TestIsolatedEngine holds the engine to its contract when each instance has a
// network namespace, cgroups and a resolver of its own, of which nothing may be
// left.
func TestIsolatedEngine(t *testing.T) {
	needCells(t)
	plan := func(t *testing.T) deploy.Plan {
		p := enginetest.Plan(t)
		p.Names = true
		return p
	}
	enginetest.Again(t, newIsolated, plan, func(t *testing.T, run string) {
		t.Helper()
		if left, err := cell.Left(run); err != nil || len(left) > 0 {
			t.Errorf("of run %s there is left %q (%v)", run, left, err)
		}
	})
}

// TestNameless asks for the power that instances with addresses have not got, by
// both ways to a system: the error says what would give it.
func TestNameless(t *testing.T) {
	p := enginetest.Small(t)
	p.Names = true // which is not enough
	s, _ := up(t, p)
	other, err := newEngine(t).Attach(within(t), p.Scratch)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []deploy.System{s, other} {
		if _, err := deploy.Power[deploy.Namer](s); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "--isolation full") {
			t.Errorf("got %v, want that it is not supported and what would be", err)
		}
	}
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
