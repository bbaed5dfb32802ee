// Package monkey keeps breaking a running system, a fault at a time, until it
// is told to stop:
//
//	            ┌─ hours, quiet periods, gaps ─┐
//	Plan.All ───┤ what, to whom, when, how long├──▶ Monkey ──▶ Hand (journal → inject → prove → lift → prove)
//	            └─ a pure function ────────────┘      ▲  │
//	Control (HTTP: inject now, pause, halt) ──────────┘  └──▶ history, metrics, recording
//
// [NewPlan] is the schedule, which touches nothing: printing it is the dry run.
// [New] makes the monkey that follows one, and [Control] is its HTTP interface.
// What harms is a [Hand], which package bedlam makes of the runner's journal,
// proofs and lifts: a monkey's fault has the same life as a run's.
package monkey
