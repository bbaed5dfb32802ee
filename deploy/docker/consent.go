package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/attach"
)

// errNoConsent is about a container that is not ours to break.
var errNoConsent = errors.New("it is not ours to break")

// consent returns the container with that ID, if its owner has consented to its
// being broken. It is asked right before everything that is done to somebody
// else's container, whoever says that it has been asked before: labels stay
// with a container for its whole life, and so does its ID.
func (d *daemon) consent(ctx context.Context, id string) (view, error) {
	if id == "" {
		return view{}, errUnknown
	}
	v, err := d.inspect(ctx, id)
	if err != nil {
		return view{}, err
	}
	run := v.Labels[deploy.LabelRun] // nothing in it: of an image that was made in a run's container
	switch {
	case v.ID != id: // a name or a part of an ID, which may mean another one tomorrow
		return view{}, fmt.Errorf("container %s is known by %q and not by its ID: %w", v.Name, id, errNoConsent)
	case run != "":
		return view{}, fmt.Errorf("container %s belongs to Bedlam's run %s: %w", v.Name, run, errNoConsent)
	case v.Labels[deploy.LabelChaos] != deploy.Consent:
		return view{}, fmt.Errorf("container %s has no label %s=%s: %w", v.Name, deploy.LabelChaos, deploy.Consent, errNoConsent)
	}
	return v, nil
}

// find returns the containers of the system in f, by instance: one for each,
// running, not paused, and with its owner's consent.
func (d *daemon) find(ctx context.Context, f attach.File) (map[string]view, error) {
	filters := client.Filters{}.Add("label", f.Containers.Key())
	all, err := d.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filters})
	if err != nil {
		return nil, fmt.Errorf("looking for containers with label %s: %w", f.Containers.Key(), err)
	}
	found := map[string]view{}
	for _, in := range f.Instances() {
		id, err := pick(all.Items, f.Containers, in.Name)
		if err != nil {
			return nil, err
		}
		v, err := d.consent(ctx, id)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%s: %w", in.Name, err)
		case !v.Running:
			return nil, fmt.Errorf("%s: container %s does not run: start it first", in.Name, v.Name)
		case v.Paused:
			return nil, fmt.Errorf("%s: container %s is paused: unpause it first", in.Name, v.Name)
		}
		found[in.Name] = v
	}
	return found, nil
}

// pick returns the ID of the one container that is the instance. Those of
// Bedlam's own runs bear the same label; one is only picked, to be refused, if
// there is no other.
func pick(all []container.Summary, c attach.Containers, instance string) (string, error) {
	bears := func(s container.Summary) bool {
		for key, value := range c.With {
			if got, ok := s.Labels[key]; !ok || got != value {
				return false
			}
		}
		return s.Labels[c.Key()] == instance
	}
	their, own := []container.Summary{}, []container.Summary{}
	for _, s := range all {
		switch {
		case !bears(s):
		case s.Labels[deploy.LabelRun] != "":
			own = append(own, s)
		default:
			their = append(their, s)
		}
	}
	if len(their) == 0 {
		their = own
	}
	switch len(their) {
	case 0:
		return "", fmt.Errorf("%s: there is no container with label %s=%s%s", instance, c.Key(), instance, besides(c.With))
	case 1:
		return their[0].ID, nil
	}
	var names []string
	for _, s := range their {
		names = append(names, strings.TrimPrefix(strings.Join(s.Names, ","), "/"))
	}
	slices.Sort(names)
	return "", fmt.Errorf("%s: containers %s all have label %s=%s%s: tell them apart under containers.with", instance, strings.Join(names, " and "), c.Key(), instance, besides(c.With))
}

func besides(with map[string]string) string {
	var all []string
	for key, value := range with {
		all = append(all, " and "+key+"="+value)
	}
	slices.Sort(all)
	return strings.Join(all, "")
}

// claims say that containers are being broken by this process and no other: two
// runs would be each other's faults. The kernel gives each to one process,
// whichever user's, and takes it back however that process ends. It does so
// within one network namespace: a Bedlam in a container of its own, which has got
// the daemon's socket but not this machine's network, is not seen by others.
type claims []net.Listener

func claim(found map[string]view) (claims, error) {
	var all claims
	for instance, v := range found {
		// A name of the kernel's own, which leaves no file behind.
		l, err := net.Listen("unix", "@dev.bedlam.attached."+v.ID)
		if err != nil {
			all.release()
			if errors.Is(err, syscall.EADDRINUSE) {
				err = errors.New("another run of Bedlam is breaking it")
			}
			return nil, fmt.Errorf("%s: container %s: %w", instance, v.Name, err)
		}
		all = append(all, l)
	}
	return all, nil
}

func (c claims) release() {
	for _, l := range c {
		l.Close()
	}
}
