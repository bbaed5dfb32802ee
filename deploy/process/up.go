package process

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/postgres"
	"github.com/bedlamlab/bedlam/topology"
)

// Up implements [deploy.Engine]. Everything starts at once, but for services
// with a store, which wait until it answers; it returns when every instance is
// healthy.
func (e *Engine) Up(ctx context.Context, p deploy.Plan) (_ deploy.System, err error) {
	fail := func(err error) error { return fmt.Errorf("bringing %s up: %w", p.Topology.Name, err) }
	if err := ready(&p); err != nil {
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
	ports, err := takeBlock(ports(p.Topology))
	if err != nil {
		return nil, fail(err)
	}
	d := describe(p, lay(p.Topology, ports.ports))
	f := files{scratch: p.Scratch}
	if self, err := look(os.Getpid()); err == nil {
		d.Owner = self.identity
	}
	if err := f.make(d); err != nil {
		ports.release()
		return nil, fail(err)
	}
	s := newSystem(f, d, p, ports, install)
	ctx, cancel := context.WithTimeoutCause(ctx, e.options.Patience, fmt.Errorf("not ready after %s", e.options.Patience))
	defer cancel()
	if err := s.start(ctx); err != nil {
		// Whatever ctx says: nothing may be left running.
		return nil, fail(errors.Join(err, s.end(context.WithoutCancel(ctx), 0)))
	}
	return s, nil
}

// ready checks the plan, and makes its paths absolute.
func ready(p *deploy.Plan) error {
	if err := p.Topology.Validate(); err != nil {
		return err
	}
	if _, taken := p.Topology.Service(relayName); taken {
		return fmt.Errorf("a service cannot be called %q: that is the network's own name here", relayName)
	}
	for _, v := range p.Topology.Services {
		if isStore(v) && v.Replicas != 1 {
			return fmt.Errorf("store %s has %d replicas: here each store is one server", v.Name, v.Replicas)
		}
	}
	for _, path := range []*string{&p.Shop, &p.Bedlam, &p.Logs} {
		abs, err := filepath.Abs(*path)
		if err != nil {
			return err
		}
		*path = abs
	}
	scratch, err := realPath(p.Scratch)
	if err != nil {
		return err
	}
	p.Scratch = scratch
	d, err := os.Open(scratch)
	if err != nil {
		return fmt.Errorf("the scratch folder: %w", err)
	}
	defer d.Close()
	if _, err := d.Readdirnames(1); !errors.Is(err, io.EOF) {
		return fmt.Errorf("the scratch folder %s is not empty", scratch)
	}
	if err := os.MkdirAll(p.Logs, 0o755); err != nil {
		return fmt.Errorf("the folder for logs: %w", err)
	}
	return nil
}

// realPath returns path as the kernel tells working directories: absolute and
// without symbolic links, so far as it exists.
func realPath(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(abs)
	if errors.Is(err, os.ErrNotExist) && abs != filepath.Dir(abs) {
		parent, err := realPath(filepath.Dir(abs))
		return filepath.Join(parent, filepath.Base(abs)), err
	}
	return real, err
}

// install finds PostgreSQL, if the topology has a store at all.
func (e *Engine) install(ctx context.Context, p deploy.Plan, cache string) (*postgres.Install, error) {
	if !slices.ContainsFunc(p.Topology.Services, isStore) {
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

func isStore(v topology.Service) bool { return v.Protocol == topology.Postgres }

// describe says what is brought up. The passwords are drawn here.
func describe(p deploy.Plan, l layout) description {
	d := description{Schema: schema, Run: p.Run, Topology: p.Topology, Layout: l, Token: rand.Text(), Stores: map[string]postgres.Options{}}
	for _, v := range p.Topology.Services {
		if !isStore(v) {
			continue
		}
		in := p.Topology.InstancesOf(v.Name)[0]
		o := postgres.Options{
			Dir:      filepath.Join(p.Scratch, in.Name),
			Port:     port(l.Own[in.Name]),
			Password: rand.Text(),
			Roles:    []postgres.Role{{Name: deploy.AuditRole, Password: rand.Text()}},
		}
		for _, user := range p.Topology.Services {
			if user.Store == v.Name {
				o.Roles = append(o.Roles, postgres.Role{Name: user.Name, Password: rand.Text(), Schema: user.Name})
			}
		}
		d.Stores[v.Name] = o
	}
	return d
}

// start starts every unit and waits until each is ready.
func (s *system) start(ctx context.Context) error {
	s.progress("starting " + s.desc.Topology.Name)
	go s.beat()
	// The relay first, and told that everybody is down, so that callers see
	// refused connections and not half-open ones while their callees start.
	s.relay.kept = true
	go s.relay.keep(s.life)
	if err := s.await(ctx, s.relay); err != nil {
		return err
	}
	began := time.Now()
	for _, u := range s.units {
		u.kept = true
		go func() {
			if on := s.needs[u]; on != nil {
				select {
				case <-on.born:
				case <-s.life.Done():
				}
			}
			u.keep(s.life)
		}()
	}
	if err := s.await(ctx, s.units...); err != nil {
		return err
	}
	s.progress(fmt.Sprintf("%d instances are ready after %s", len(s.units), time.Since(began).Round(time.Millisecond)))
	return nil
}

// await waits for the first readiness of each, or for the first unit that gives up.
func (s *system) await(ctx context.Context, units ...*unit) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ready := make(chan *unit)
	for _, u := range units {
		go func() {
			select {
			case <-u.born:
			case <-ctx.Done():
				return
			}
			select {
			case ready <- u:
			case <-ctx.Done():
			}
		}()
	}
	missing := slices.Clone(units)
	for len(missing) > 0 {
		select {
		case u := <-ready:
			missing = slices.DeleteFunc(missing, func(m *unit) bool { return m == u })
			if len(units) > 1 {
				s.progress(fmt.Sprintf("%d of %d instances are ready", len(units)-len(missing), len(units)))
			}
		case gone := <-s.hopeless:
			return fmt.Errorf("%s does not start: %w%s", gone.unit.name, gone.why, lastLines(gone.unit.log))
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w%s", missing[0].name, context.Cause(ctx), lastLines(missing[0].log))
		}
	}
	return nil
}
