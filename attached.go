package bedlam

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/audit"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/attach"
	"github.com/bedlamlab/bedlam/deploy/docker"
	"github.com/bedlamlab/bedlam/services"
	"github.com/bedlamlab/bedlam/topology"
)

// attached is the name of the engine that [Options.System] means: in plans, in
// results and in the registry of runs. It cannot be asked for by name.
const attached = "attached"

// attach reads the file that names a system.
func (o Options) attach() (Options, error) {
	if o.Engine != "" || o.Shop != "" {
		return o, usage("a system that runs already has no engine to choose and no program to start: leave them out, or the system")
	}
	f, err := attach.Read(o.System)
	if err != nil {
		return o, usage("%w", err)
	}
	o.Engine, o.file = attached, f
	return o, nil
}

// engine returns the engine that was asked for.
func (o Options) engine() (deploy.Engine, error) {
	if o.Engine == attached {
		return docker.NewAttached(o.file), nil
	}
	return engine(o.Engine, o.Isolation)
}

// topology returns the system that was asked for.
func (o Options) topology() topology.System {
	if o.Engine == attached {
		return o.file.System
	}
	shop := services.Shop()
	if o.without != nil {
		if lesser, err := shop.Without(o.without.edge, o.without.mechanism); err == nil { // it was read from the shop
			return lesser
		}
	}
	return shop
}

// lacks says which data the run cannot have.
func (o Options) lacks() map[string]string {
	if o.Engine == attached {
		return o.file.Lacks()
	}
	return nil
}

// scratch names the folder of a run's state.
func (o Options) scratch(state, temporary, run string) string {
	if o.Engine == attached {
		// Where it outlives the machine: so do the containers, and nothing but
		// this says which they are.
		return filepath.Join(state, "attached-"+run)
	}
	// Outside any home, because PostgreSQL's account must reach it.
	return filepath.Join(temporary, "bedlam-"+run)
}

// ready says, before anything is made, why the system cannot be attached to.
// What earlier runs left has been put right.
func (o Options) ready(ctx context.Context) error {
	if err := docker.NewAttached(o.file).Ready(ctx); err != nil {
		return usage("%w", err)
	}
	return nil
}

// farewell says what is done at the end of a run.
func (o Options) farewell(system string) string {
	if o.Engine == attached {
		return "leaving the " + system + " as it was"
	}
	return "taking the " + system + " down"
}

// stores returns where a system's stores are at this moment: none, if nobody
// can say so of any.
func stores(s deploy.System) ([]audit.Source, error) {
	sources, err := audit.Sources(s)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil, nil
	}
	return sources, err
}

// before reads what a system's stores hold before the first of our customers
// comes: what is wrong there is not the run's doing.
func before(ctx context.Context, s deploy.System, folder string) error {
	sources, err := stores(s)
	if err != nil || len(sources) == 0 {
		return err
	}
	a, err := audit.Read(ctx, sources, chaos.BeforeAudit, false)
	if err == nil {
		err = audit.Save(filepath.Join(folder, auditFolder), a)
	}
	if err != nil {
		return fmt.Errorf("the audit before the run: %w", err)
	}
	return nil
}
