// Package process runs a system as plain processes of this machine: no
// container, no root, first answers in milliseconds.
//
// [New] gives the engine. What it brings up is this:
//
//	Up ─┬─ relay ────────────── one listener for every link
//	    ├─ PostgreSQL (each) ── a real one, with a role and a schema per service
//	    └─ service (each) ───── the shop binary with an Assignment
//
// Each is watched by a keeper of its own, which starts it again when it ends:
// after 1 s, then 2, 4 and 8, and from 1 s again once it has been ready for
// longer than that (see [calm]). Held instances stay down.
//
// Everything of a run stands in its scratch folder, also in the sense of
// getcwd(2): every process has its working directory there, which is how
// [Engine.Sweep] finds them all whatever happened to their parents.
//
//	scratch/system.json         what was brought up: addresses, passwords, token
//	scratch/state/NAME.json     the process that NAME is, and how often it was started
//	scratch/state/NAME.held     NAME is not to be restarted
//	scratch/rules/ID.json       the rules that the relay should have
//	scratch/NAME/               NAME's working directory
//
// Powers act on these files and on what the kernel says, never on memory alone,
// so that those of [Engine.Attach], in another process, are the same.
package process

import (
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/postgres"
)

// Options of an engine. The zero value is good.
type Options struct {
	// Cache keeps PostgreSQL's binaries and templates; empty:
	// [postgres.CacheDir].
	Cache string
	// Patience bounds the start of the whole system; 0: one minute, ten times
	// what a busy machine with two cores takes.
	Patience time.Duration
}

// An Engine runs systems as processes.
type Engine struct{ options Options }

var _ deploy.Engine = (*Engine)(nil)

// Its systems have every power that there is.
type powers interface {
	deploy.System
	deploy.Inspector
	deploy.Killer
	deploy.Stopper
	deploy.Pauser
	deploy.Holder
	deploy.Shaper
	deploy.Databaser
}

var (
	_ powers = (*system)(nil)
	_ powers = (*attached)(nil)
)

// New returns the engine.
func New(o Options) *Engine {
	if o.Patience == 0 {
		o.Patience = time.Minute
	}
	return &Engine{options: o}
}

// Name returns "process".
func (e *Engine) Name() string { return "process" }

func (e *Engine) cache() (string, error) {
	if e.options.Cache != "" {
		return e.options.Cache, nil
	}
	return postgres.CacheDir()
}
