// Package enginetest is the suite that every engine passes.
//
// [Exercise] runs it, from a test of the engine's own, and [Again] a part of it:
//
//	func TestEngine(t *testing.T) {
//		enginetest.Exercise(t,
//			func(t *testing.T) deploy.Engine { return process.New(process.Options{}) },
//			enginetest.Plan)
//	}
//
// It judges from outside: it connects to what it is told to connect to, reads
// the machine's process table, and believes nothing that an engine says of
// itself. [Plan] is a small system of real parts, see the command in echo.
package enginetest

import (
	"slices"
	"testing"

	"github.com/bedlamlab/bedlam/deploy"
)

// Exercise holds an engine to its contract. newEngine is called for every
// engine that is needed, plan for every system; a power that the engine does
// not have is skipped by name. The calling test's binary is executed again for
// the cases in which the engine's own process is killed: newEngine and plan must
// work there, and the name of the test that calls must be unique in its package.
//
// Where nothing of a run may be left, the process table and the folders are
// looked at, and each of left is called: it looks at what else the engine uses,
// and fails the test if it finds something of the run.
func Exercise(t *testing.T, newEngine func(*testing.T) deploy.Engine, plan func(*testing.T) deploy.Plan, left ...func(t *testing.T, run string)) {
	s := suite{newEngine: newEngine, plan: plan, left: left}
	if abandoned(t, s) {
		return
	}
	t.Run("Powers", func(t *testing.T) { s.powers(t) })
	t.Run("Life", s.lives)
	t.Run("Abandoned", s.abandons)
}

type suite struct {
	newEngine func(*testing.T) deploy.Engine
	plan      func(*testing.T) deploy.Plan
	left      []func(t *testing.T, run string)
}

// Again holds another configuration of an engine, of which one passes
// [Exercise], to that part of the contract which a configuration can change:
// where instances run, and what is left of it.
func Again(t *testing.T, newEngine func(*testing.T) deploy.Engine, plan func(*testing.T) deploy.Plan, left ...func(t *testing.T, run string)) {
	s := suite{newEngine: newEngine, plan: plan, left: left}
	if abandoned(t, s) {
		return
	}
	t.Run("Powers", func(t *testing.T) {
		s.powers(t, "EverythingAnswers", "AssignmentIsAllThatIsTold", "StoreKeepsItsRows", "ExhaustIsRestarted", "ExhaustHeldStaysDown",
			"ImpairmentsLast", "PauseHangs", "Partition", "NamesAreLookedUp", "RelayDies", "AttachedLifts")
	})
	t.Run("DownLeavesNothing", s.downLeavesNothing)
	t.Run("SideBySide", s.sideBySide)
	t.Run("Abandoned", s.abandons)
}

// powers runs the cases that share one system, or those of these names. Each
// leaves it whole.
func (s suite) powers(t *testing.T, only ...string) {
	f := s.up(t)
	for _, c := range []struct {
		name string
		run  func(*testing.T, *fixture)
	}{
		{"EverythingAnswers", everythingAnswers},
		{"AssignmentIsAllThatIsTold", assignment},
		{"UnknownNames", unknownNames},
		{"StoreKeepsItsRows", storeKeepsItsRows}, // while the store's next pause is a first one
		{"KillIsRestarted", killIsRestarted},
		{"KillHeldStaysDown", killHeldStaysDown},
		{"StopHeldStaysDown", stopHeldStaysDown},
		{"ExhaustIsRestarted", exhaustIsRestarted},
		{"ExhaustHeldStaysDown", exhaustHeldStaysDown},
		{"ImpairmentsLast", func(t *testing.T, f *fixture) { impairmentsLast(t, f, s.newEngine(t)) }},
		{"PauseHangs", pauseHangs},
		{"PauseStore", pauseStore},
		{"ResumeDead", resumeDead},
		{"Latency", latency},
		{"Partition", partition},
		{"Reset", reset},
		{"KindsOfRules", kindsOfRules},
		{"Requests", requests},
		{"NamesAreLookedUp", func(t *testing.T, f *fixture) { namesAreLookedUp(t, f, s.newEngine(t)) }},
		{"RuleIsReplaced", ruleIsReplaced},
		{"RulesLive", rulesLive},
		{"RolesAreApart", rolesAreApart},
		{"WrappedHasPowers", wrappedHasPowers},
		{"ModelIsTrue", func(t *testing.T, f *fixture) { modelIsTrue(t, f, s.newEngine(t)) }},
		{"RelayDies", relayDies},
		{"RelayIsGone", func(t *testing.T, f *fixture) { relayIsGone(t, f, s.newEngine(t)) }},
		{"LogsOfAllLives", logsOfAllLives},
		{"AttachedLifts", func(t *testing.T, f *fixture) { attachedLifts(t, f, s.newEngine(t)) }},
	} {
		if len(only) > 0 && !slices.Contains(only, c.name) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			c.run(t, f)
			f.whole(t)
		})
	}
}

// lives runs the cases that need systems of their own.
func (s suite) lives(t *testing.T) {
	t.Run("DownLeavesNothing", s.downLeavesNothing)
	t.Run("UpFailsCleanly", s.upFailsCleanly)
	t.Run("UpCancelledLeavesNothing", s.upCancelled)
	t.Run("SideBySide", s.sideBySide)
	t.Run("ScratchMustBeEmpty", s.scratchMustBeEmpty)
	t.Run("SweepTidiesCache", s.sweepTidiesCache)
}
