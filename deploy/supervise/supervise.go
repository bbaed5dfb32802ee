// Package supervise is what every engine does alike, whatever its instances
// run as: it keeps them running, tells the relay who is up, and has the powers
// over them that the scratch folder carries from process to process.
//
// An engine brings a system up like this:
//
//	Ready(&plan)                        is it one that can be brought up
//	Describe(schema, plan, layout)      who listens where; passwords are drawn
//	Files.Make(description)             the scratch folder
//	New(files, description, plan, Outfit{…}).Start(ctx)
//
// and in its [Outfit] says what only it knows: how a life of each kind begins
// ([Body], [Life]), what is true where instances run ([Machine]), and how the
// last of it is removed. [Attach] gives the same powers to another process, and
// [ToSweep] finds what a sweep is to remove.
//
//	Start ─┬─ relay ────────────── one listener for every link
//	       ├─ PostgreSQL (each) ── a real one, with a role and a schema per service
//	       └─ service (each) ───── waits for its store
//
// Each is watched by a keeper of its own, which starts it again when it ends:
// after 1 s, then 2, 4 and 8, and from 1 s again once it has been ready for
// longer than that (see [calm]). Held instances stay down.
//
//	scratch/system.json         what was brought up: addresses, passwords, token
//	scratch/owner               locked as long as the keepers live
//	scratch/state/NAME.json     the life that NAME has, and how often it was started
//	scratch/state/NAME.held     NAME is not to be restarted
//	scratch/rules/ID.json       the rules that the relay should have
//
// Powers act on these files and on what the machine says, never on memory
// alone, so that those of [Attach], in another process, are the same.
package supervise
