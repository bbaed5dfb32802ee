// Package process runs a system as plain processes of this machine: no
// container, no root, first answers in milliseconds.
//
// [New] gives the engine. What it brings up is this:
//
//	Up ─┬─ relay ────────────── one listener for every link
//	    ├─ PostgreSQL (each) ── a real one, with a role and a schema per service
//	    └─ service (each) ───── the shop binary with an Assignment
//
// Package supervise keeps them; here is what a process is and how it ends.
//
// Everything of a run stands in its scratch folder, also in the sense of
// getcwd(2): every process has its working directory there, which is how
// [Engine.Sweep] finds them all whatever happened to their parents.
package process

import (
	"context"
	"fmt"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/postgres"
	"github.com/bedlamlab/bedlam/deploy/supervise"
)

// Options of an engine. The zero value is good.
type Options struct {
	// Cache keeps PostgreSQL's binaries and templates; empty:
	// [postgres.CacheDir].
	Cache string
	// Patience bounds the start of the whole system; 0: one minute, ten times
	// what a busy machine with two cores takes.
	Patience time.Duration
	// Isolation says whether instances are processes beside one another or
	// each have a network namespace and cgroups of their own; empty: [Auto].
	Isolation string
}

// An Engine runs systems as processes.
type Engine struct{ options Options }

var _ deploy.Engine = (*Engine)(nil)

// schema is the version of the scratch folder's system.json.
const schema = "bedlam.process/1"

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

// Attach implements [deploy.Engine]. Down of what it returns is a sweep that
// leaves the scratch folder itself.
func (e *Engine) Attach(_ context.Context, scratch string) (deploy.System, error) {
	f, d, err := supervise.Open(scratch, schema)
	if err != nil {
		return nil, fmt.Errorf("attaching to %s: %w", scratch, err)
	}
	m := newMachine(f, d)
	return m.system(supervise.Attach(f, d, m, func(ctx context.Context) error { return m.clear(ctx, d.Run, false) })), nil
}
