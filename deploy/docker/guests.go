package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/supervise"
	"github.com/bedlamlab/bedlam/topology"
)

// guests are the containers of a system that somebody else started: they are
// broken and put right, and never made, removed or left ended. Each power asks
// for the owner's consent before it acts.
type guests struct {
	daemon *daemon
	desc   supervise.Description
	stores map[string]string // PostgreSQL URLs of the audit's role, by store

	questions sync.Map // instance → *question
}

var (
	_ supervise.Machine = (*guests)(nil)
	_ supervise.Asker   = (*guests)(nil)
)

// consented returns an instance's container if it may be broken.
func (g *guests) consented(ctx context.Context, instance string) (view, error) {
	return g.daemon.consent(ctx, g.desc.Guests[instance])
}

// Look implements [supervise.Machine].
func (g *guests) Look(ctx context.Context, instance string) (deploy.Phase, int, error) {
	return g.daemon.look(ctx, g.desc.Guests[instance])
}

// Kill implements [deploy.Killer]. It suspends the daemon's own restart policy
// until the next start.
func (g *guests) Kill(ctx context.Context, instance string) error {
	return g.end(ctx, instance, func(view) string { return "SIGKILL" })
}

// Stop implements [deploy.Stopper], by the signal that the container's owner,
// or its image, has named for it.
func (g *guests) Stop(ctx context.Context, instance string) error {
	return g.end(ctx, instance, func(v view) string { return cmp.Or(v.Signal, "SIGTERM") })
}

func (g *guests) end(ctx context.Context, instance string, sig func(view) string) error {
	v, err := g.consented(ctx, instance)
	if err != nil {
		return gone(err)
	}
	return g.daemon.endLife(ctx, v, sig(v))
}

// Pause implements [deploy.Pauser].
func (g *guests) Pause(ctx context.Context, instance string) error {
	v, err := g.consented(ctx, instance)
	if err != nil {
		return gone(err)
	}
	return gone(g.daemon.pause(ctx, v.ID))
}

// Resume implements [deploy.Pauser].
func (g *guests) Resume(ctx context.Context, instance string) error {
	v, err := g.consented(ctx, instance)
	if err == nil {
		err = g.daemon.unpause(ctx, v.ID)
	}
	if err = gone(err); errors.Is(err, supervise.ErrGone) {
		return nil
	}
	return err
}

// restore puts one container right: it runs and is not paused, as it did when
// we came. One that its owner has removed is no error. One that ends as soon as
// it runs is started again, until ctx is done: what it needs may not be there
// yet.
func (g *guests) restore(ctx context.Context, instance string) error {
	_, err := g.right(ctx, instance)
	return err
}

// right is restore, and reports whether there was anything to do.
func (g *guests) right(ctx context.Context, instance string) (did bool, err error) {
	for pause := glance; ; did = true {
		v, err := g.consented(ctx, instance)
		switch {
		case errors.Is(err, errUnknown):
			return did, nil
		case err == nil && v.Running && !v.Paused:
			return did, nil
		case err == nil && v.Paused:
			err = g.daemon.unpause(ctx, v.ID)
		case err == nil && !v.Restart:
			err = g.daemon.start(ctx, v.ID)
		}
		if err == nil { // and it is looked at again: the daemon's word is not the container's state
			err = supervise.Sleep(ctx, pause)
		}
		if err != nil {
			return did, fmt.Errorf("putting %s right: %w", instance, err)
		}
		pause = min(2*pause, time.Second)
	}
}

// restoreAll puts all of them right, also after an error. Looks, one after the
// other with a pause between, must have found nothing to do: one is enough if
// nothing was asked of the daemon that may still be done.
func (g *guests) restoreAll(ctx context.Context, looks int) error {
	for quietly := 0; ; {
		var did atomic.Bool
		err := each(slices.Sorted(maps.Keys(g.desc.Guests)), func(instance string) error {
			acted, err := g.right(ctx, instance)
			if acted {
				did.Store(true)
			}
			return err
		})
		if err != nil {
			return err
		}
		if quietly++; did.Load() {
			quietly = 0
		}
		if quietly >= looks {
			return nil
		}
		if looks > 1 {
			if err := supervise.Sleep(ctx, quiet); err != nil {
				return err
			}
		}
	}
}

// Healthy implements [supervise.Asker]: at the address that the file names,
// else by the container's own health check. The daemon's last word is good
// enough if it is that the container is well; as long as it is not, or the
// daemon has not asked since the container began, the command is run, since the
// daemon's next time may be half a minute away. A container with neither is well
// when it runs.
func (g *guests) Healthy(ctx context.Context, instance string) error {
	v, err := g.daemon.inspect(ctx, g.desc.Guests[instance])
	switch {
	case err != nil:
		return err
	case !v.Running:
		return errGone
	}
	in, service := g.instance(instance)
	address, dsn := g.desc.Layout.Own[instance], ""
	if supervise.IsStore(service) {
		if dsn, err = g.dsn(ctx, in.Service); err != nil {
			address = ""
		}
	}
	if address, err = at(v, instance, address); err != nil {
		return err
	}
	switch {
	case dsn != "" || address != "":
		return supervise.Healthy(ctx, service.Protocol, address, dsn)
	case len(v.Health) > 0 && !v.Healthy:
		q, _ := g.questions.LoadOrStore(instance, &question{})
		return q.(*question).ask(ctx, g.daemon, v)
	}
	return nil
}

func (g *guests) instance(name string) (topology.Instance, topology.Service) {
	for _, in := range g.desc.Topology.Instances() {
		if in.Name == name {
			service, _ := g.desc.Topology.Service(in.Service)
			return in, service
		}
	}
	return topology.Instance{}, topology.Service{}
}

// at returns the address, with the container's own where it stands for it.
func at(v view, instance, address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host != instance {
		return address, nil
	}
	if !v.IP.IsValid() {
		return "", fmt.Errorf("container %s has no address of its own", v.Name)
	}
	return net.JoinHostPort(v.IP.String(), port), nil
}

// DSN implements [deploy.Databaser], for those stores that the file names.
func (g *guests) DSN(store, role string) (string, error) {
	if g.stores[store] == "" || role != deploy.AuditRole {
		return "", fmt.Errorf("nobody has said how %s of store %s can be reached: %w", role, store, errors.ErrUnsupported)
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	return g.dsn(ctx, store)
}

func (g *guests) dsn(ctx context.Context, store string) (string, error) {
	u, err := url.Parse(g.stores[store])
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("nobody has said how store %s can be reached", store)
	}
	instance := g.desc.Topology.InstancesOf(store)[0].Name
	if u.Hostname() != instance {
		return u.String(), nil
	}
	v, err := g.daemon.inspect(ctx, g.desc.Guests[instance])
	if err != nil {
		return "", err
	}
	if u.Host, err = at(v, instance, net.JoinHostPort(instance, cmp.Or(u.Port(), fmt.Sprint(postgresPort)))); err != nil {
		return "", err
	}
	return u.String(), nil
}

// over returns when the life that a container was seen in is over, although it
// may have begun another since: its owner's policy may be quick.
func (d *daemon) over(ctx context.Context, seen view) error {
	for {
		v, err := d.inspect(ctx, seen.ID)
		switch {
		case errors.Is(err, errUnknown):
			return nil
		case err != nil:
			return err
		case !v.Running || !v.Started.Equal(seen.Started):
			return nil
		}
		if err := supervise.Sleep(ctx, glance); err != nil {
			return fmt.Errorf("waiting for a container's end: %w", err)
		}
	}
}
