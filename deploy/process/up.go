package process

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/bedlamlab/bedlam/deploy"
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
	ports, err := supervise.TakeBlock(ports(p.Topology))
	if err != nil {
		return nil, fail(err)
	}
	d := supervise.Describe(schema, p, lay(p.Topology, ports.Ports()))
	m := machine{supervise.Files{Scratch: p.Scratch}, d}
	if err := m.Make(d, d.Names()...); err != nil {
		ports.Release()
		return nil, fail(err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, e.options.Patience, fmt.Errorf("not ready after %s", e.options.Patience))
	defer cancel()
	s := supervise.New(m.Files, d, p, supervise.Outfit{
		Machine: m, Service: m.service(p.Shop), Store: m.store(install), Relay: m.relay(p.Bedlam),
		Provision: install.Provision,
		EndTime:   killTime,
		Clear: func(ctx context.Context) error {
			defer ports.Release()
			return m.clear(ctx, false)
		},
	})
	if err := s.Start(ctx); err != nil {
		return nil, fail(err)
	}
	return s, nil
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

func lay(t topology.System, ports []int) supervise.Layout {
	next := func() string {
		a := supervise.Loopback(ports[0])
		ports = ports[1:]
		return a
	}
	l := supervise.Layout{Own: map[string]string{}, Links: map[string]string{}, Control: next()}
	for _, in := range t.Instances() {
		l.Own[in.Name] = next()
	}
	for _, link := range t.Links() {
		l.Links[link.String()] = next()
	}
	return l
}
