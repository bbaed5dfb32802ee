package supervise

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/postgres"
)

// Ready checks the plan, and makes its paths absolute.
func Ready(p *deploy.Plan) error {
	if err := p.Topology.Validate(); err != nil {
		return err
	}
	if _, taken := p.Topology.Service(Relay); taken {
		return fmt.Errorf("a service cannot be called %q: that is the network's own name here", Relay)
	}
	for _, v := range p.Topology.Services {
		if IsStore(v) && v.Replicas != 1 {
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

// Describe says what is brought up. The passwords are drawn here.
func Describe(schema string, p deploy.Plan, l Layout) Description {
	d := Description{Schema: schema, Run: p.Run, Topology: p.Topology, Layout: l, Token: rand.Text(), Stores: map[string]postgres.Options{}, Bedlam: p.Bedlam}
	for _, v := range p.Topology.Services {
		if !IsStore(v) {
			continue
		}
		in := p.Topology.InstancesOf(v.Name)[0]
		host, port := split(l.Own[in.Name])
		o := postgres.Options{
			Dir:      filepath.Join(p.Scratch, in.Name),
			Host:     host,
			Port:     port,
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

// Start starts every unit and waits until each is ready. On error it has taken
// everything down again.
func (s *System) Start(ctx context.Context) error {
	err := s.start(ctx)
	if err != nil {
		// Whatever ctx says: nothing may be left running.
		err = errors.Join(err, s.end(context.WithoutCancel(ctx), 0))
	}
	return err
}

func (s *System) start(ctx context.Context) error {
	if !s.outfit.Guests {
		s.progress("starting " + s.desc.Topology.Name)
	}
	disown, err := s.own()
	if err != nil {
		return err
	}
	s.disown = disown
	if s.relay != nil {
		go s.beat()
		// The relay first, and told that everybody is down, so that callers see
		// refused connections and not half-open ones while their callees start.
		s.relay.kept = true
		go s.relay.keep(s.life)
		if err := s.await(ctx, s.relay); err != nil {
			return err
		}
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
func (s *System) await(ctx context.Context, units ...*unit) error {
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

// split returns the parts of an address of ours, which is always well-formed.
func split(address string) (host string, port int) {
	host, p, _ := net.SplitHostPort(address)
	port, _ = strconv.Atoi(p)
	return host, port
}
