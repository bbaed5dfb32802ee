package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/cell"
	"github.com/bedlamlab/bedlam/deploy/disk"
	"github.com/bedlamlab/bedlam/deploy/names"
	"github.com/bedlamlab/bedlam/deploy/postgres"
	"github.com/bedlamlab/bedlam/deploy/supervise"
	"github.com/bedlamlab/bedlam/topology"
)

// Up implements [deploy.Engine]. Everything starts at once, but for services
// with a store, which wait until it answers; it returns when every instance is
// healthy.
func (e *Engine) Up(ctx context.Context, p deploy.Plan) (deploy.System, error) {
	fail := func(err error) error { return fmt.Errorf("bringing %s up: %w", p.Topology.Name, err) }
	if err := supervise.Ready(&p); err != nil {
		return nil, fail(err)
	}
	cache, err := e.cache()
	if err != nil {
		return nil, fail(err)
	}
	install, err := e.install(ctx, p, cache)
	if err != nil {
		return nil, fail(err)
	}
	cells, err := e.cells(p)
	if err != nil {
		return nil, fail(err)
	}
	ports, err := supervise.TakeBlock(ports(p.Topology))
	if err != nil {
		return nil, fail(err)
	}
	d := supervise.Describe(schema, p, lay(p.Topology, ports.Ports(), cells))
	d.Cells = cells != nil
	d.Disks = p.Disks && disk.Check() == nil
	if p.Names && d.Cells && cell.CanResolve() == nil { // else its system says why not, see Lacks
		d.NameServer = cells.gateway(names.Port)
	}
	m := newMachine(supervise.Files{Scratch: p.Scratch}, d)
	if err = errors.Join(m.Make(d, d.Names()...), m.disks()); err == nil {
		err = m.writeResolver()
	}
	if err != nil {
		ports.Release()
		return nil, fail(err)
	}
	life, end := context.WithCancel(context.Background())
	if m, err = m.enclose(ctx, life, cells, &p); err != nil {
		end()
		ports.Release()
		return nil, fail(errors.Join(err, m.Empty(false)))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, e.options.Patience, fmt.Errorf("not ready after %s", e.options.Patience))
	defer cancel()
	s := supervise.New(m.Files, m.desc, p, supervise.Outfit{
		Machine: m, Service: m.service(p.Shop), Store: m.store(install), Relay: m.relay(p.Bedlam),
		Provision: install.Provision,
		EndTime:   killTime,
		Clear: func(ctx context.Context) error {
			defer ports.Release()
			defer end()
			m.plane.Close()
			return m.clear(ctx, p.Run, false)
		},
	})
	if err := s.Start(ctx); err != nil {
		return nil, fail(err)
	}
	return m.system(s), nil
}

// install finds PostgreSQL, if the topology has a store at all.
func (e *Engine) install(ctx context.Context, p deploy.Plan, cache string) (*postgres.Install, error) {
	if !slices.ContainsFunc(p.Topology.Services, supervise.IsStore) {
		return nil, nil
	}
	install, err := postgres.Find(ctx, cache, p.Progress)
	if err != nil {
		return nil, err
	}
	// The folder itself is ours: others, such as PostgreSQL's account, may pass
	// through it but not look around.
	if err := os.Chmod(p.Scratch, 0o711); err != nil {
		return nil, err
	}
	return install, install.Reaches(p.Scratch)
}

// ports returns how many ports a system needs: one an instance, one a link,
// and the relay's control.
func ports(t topology.System) int { return len(t.Instances()) + len(t.Links()) + 1 }

// lay decides who listens where: all on this machine's loopback, or, in cells,
// each instance at an address of its own, and the links at the gateway's.
func lay(t topology.System, ports []int, cells *cells) supervise.Layout {
	next := func(at func(port int) string) string {
		a := at(ports[0])
		ports = ports[1:]
		return a
	}
	links := supervise.Loopback
	if cells != nil {
		links = cells.gateway
	}
	l := supervise.Layout{Own: map[string]string{}, Links: map[string]string{}, Control: next(supervise.Loopback)}
	for _, in := range t.Instances() {
		own := supervise.Loopback
		if cells != nil {
			own = func(port int) string { return cells.own(in.Name, port) }
		}
		l.Own[in.Name] = next(own)
	}
	for _, link := range t.Links() {
		l.Links[link.String()] = next(links)
	}
	return l
}
