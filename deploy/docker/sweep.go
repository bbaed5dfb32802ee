package docker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/supervise"
)

const (
	// atOnce is how many things of a kind are removed at a time. A daemon that
	// starts and removes many containers of one network at the same time loses
	// count of them now and then, and keeps the network for ever (see deserted):
	// seen in 1 of 12 rounds with eight starts and sixteen removals at a time,
	// in none of 30 with one removal, nor in 30 with one start. One by one, the
	// removal of the whole shop took 13 s on a busy machine. Four is between the
	// two, and was not compared with them on its own.
	atOnce = 4
	// desertedAfter is how long a network that nothing stands in may refuse to
	// go. One that a container is just leaving goes within some 100 ms.
	desertedAfter = 3 * time.Second
	// quiet is the pause between two looks that must both find nothing. What a
	// killed client asked for is not seen before the daemon has made it: of 25
	// containers that were being made at once, the next one to appear did so
	// after half a second at the most, on a machine with nine times as much to
	// do as it could.
	quiet = 1500 * time.Millisecond
)

// sweep removes what is the run's: containers in whatever state, networks,
// volumes. Images are no run's. It is idempotent, and returns when two looks
// with a pause between them have found nothing.
func (d *daemon) sweep(ctx context.Context, run string) error { return d.empty(ctx, run, 2) }

// empty is sweep for who knows how many looks are enough: one, if nothing was
// asked for that may still come.
func (d *daemon) empty(ctx context.Context, run string, looks int) error {
	fail := func(err error) error { return fmt.Errorf("sweeping run %q: %w", run, err) }
	if run == "" {
		return fail(errNoRun)
	}
	var last error // why something is still there
	var alone time.Time
	for empty := 0; ; {
		l, err := d.left(ctx, run)
		if err != nil {
			return fail(errors.Join(err, last))
		}
		if !l.onlyNetworks() {
			alone = time.Time{}
		} else if alone.IsZero() {
			alone = time.Now()
		} else if time.Since(alone) > desertedAfter && d.deserted(ctx, l.networks) {
			slog.Warn("the Docker daemon has lost count of what stood in a network and keeps it, empty, until the daemon is restarted",
				"networks", l.networks, "run", run)
			return nil
		}
		if l.none() {
			if empty++; empty == looks {
				return nil
			}
			if err := supervise.Sleep(ctx, quiet); err != nil {
				return fail(err)
			}
			continue
		}
		empty = 0
		// What cannot be removed now can be in a moment: a container that is
		// being started, a network that one is just leaving.
		if last = d.clear(ctx, l); last != nil {
			if err := supervise.Sleep(ctx, glance); err != nil {
				return fail(errors.Join(err, last))
			}
		}
	}
}

// leftovers are what the daemon has of a run, by ID or name.
type leftovers struct{ containers, networks, volumes []string }

func (l leftovers) none() bool {
	return len(l.containers)+len(l.networks)+len(l.volumes) == 0
}

func (l leftovers) onlyNetworks() bool {
	return len(l.networks) > 0 && len(l.containers)+len(l.volumes) == 0
}

// deserted reports whether nothing stands in any of the networks, and the
// daemon refuses to remove them all the same. It counts what stands in a
// network apart from the things themselves, and a count that has gone wrong is
// put right by nothing but the daemon's own restart (moby issue 42119; seen
// with 20.10). A sweep that failed over it would fail again at the start of every
// run until then, for the sake of a network in which nothing is; retireNetworks
// removes it when that can be done.
func (d *daemon) deserted(ctx context.Context, networks []string) bool {
	for _, id := range networks {
		n, err := d.api.NetworkInspect(ctx, id, client.NetworkInspectOptions{})
		if err != nil || len(n.Network.Containers) > 0 {
			return false
		}
		if _, err := d.api.NetworkRemove(ctx, id, client.NetworkRemoveOptions{}); !errdefs.IsPermissionDenied(err) {
			return false
		}
	}
	return true
}

// left looks for what carries the run's label. The daemon compares the whole
// value; that is not left to trust. A container must also have the name that
// Bedlam gives: whoever commits one of ours has an image with all of its labels,
// and so has every container of that image.
func (d *daemon) left(ctx context.Context, run string) (l leftovers, err error) {
	var errs [3]error
	containers, e := d.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: of(run)})
	errs[0] = e
	for _, c := range containers.Items {
		if c.Labels[deploy.LabelRun] == run && slices.Contains(c.Names, "/"+containerName(run, c.Labels[deploy.LabelInstance])) {
			l.containers = append(l.containers, c.ID)
		}
	}
	networks, e := d.api.NetworkList(ctx, client.NetworkListOptions{Filters: of(run)})
	errs[1] = e
	for _, n := range networks.Items {
		if n.Labels[deploy.LabelRun] == run {
			l.networks = append(l.networks, n.ID)
		}
	}
	volumes, e := d.api.VolumeList(ctx, client.VolumeListOptions{Filters: of(run)})
	errs[2] = e
	for _, v := range volumes.Items {
		if v.Labels[deploy.LabelRun] == run {
			l.volumes = append(l.volumes, v.Name)
		}
	}
	return l, errors.Join(errs[:]...)
}

// clear removes what was found. Containers go first: they hold the rest.
func (d *daemon) clear(ctx context.Context, l leftovers) error {
	return errors.Join(
		each(l.containers, func(id string) error { return d.remove(ctx, id) }),
		each(l.networks, func(id string) error {
			_, err := d.api.NetworkRemove(ctx, id, client.NetworkRemoveOptions{})
			return unlessMissing(err)
		}),
		each(l.volumes, func(name string) error {
			_, err := d.api.VolumeRemove(ctx, name, client.VolumeRemoveOptions{})
			return unlessMissing(err)
		}),
	)
}

// unlessMissing returns the error of a removal: what is gone already is none.
func unlessMissing(err error) error {
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
}

// each does something to several things at once, also after an error.
func each(things []string, do func(string) error) error {
	var g errgroup.Group
	g.SetLimit(atOnce)
	errs := make([]error, len(things))
	for i, thing := range things {
		g.Go(func() error {
			errs[i] = do(thing)
			return nil
		})
	}
	g.Wait()
	return errors.Join(errs...)
}
