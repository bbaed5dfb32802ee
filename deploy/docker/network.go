package docker

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"time"

	api "github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/lan"
)

// A network is the network of one run: a bridge of its own, whose containers
// reach one another and this machine by address.
type network struct {
	ID string
	lan.Net
}

// draws bounds how often a subnet is drawn. Others may take one between our
// look and our grasp; that they do so this often in a row is none of that.
const draws = 32

// makeNetwork makes the run's network. Its subnet overlaps with no other
// network of the daemon, no address and no route of this machine and none of
// its name servers. On error nothing of it is left.
func (d *daemon) makeNetwork(ctx context.Context, run string) (*network, error) {
	fail := func(err error) (*network, error) { return nil, fmt.Errorf("making the run's network: %w", err) }
	if run == "" {
		return fail(errNoRun)
	}
	d.retireNetworks(ctx)
	random := drawer(run)
	var refused error
	for range draws {
		taken, err := d.taken(ctx)
		if err != nil {
			return fail(err)
		}
		subnet, err := lan.Draw(random, taken)
		if err != nil {
			return fail(err)
		}
		n, err := d.tryNetwork(ctx, run, subnet)
		if err == nil {
			if err = local(n.Gateway); err != nil {
				_, e := d.api.NetworkRemove(context.WithoutCancel(ctx), n.ID, client.NetworkRemoveOptions{})
				return fail(errors.Join(err, e))
			}
			return n, nil
		}
		if ctx.Err() != nil || !overlap(err) {
			return fail(err)
		}
		refused = err
	}
	return fail(fmt.Errorf("every one of %d subnets was refused: %w", draws, refused))
}

// drawer draws a run's subnets, from its name: runs side by side seldom draw the
// same.
func drawer(run string) *rand.Rand { return rand.New(rand.NewChaCha8(sha256.Sum256([]byte(run)))) }

// overlap reports whether the daemon's word is that somebody has the subnet
// already: it has no code for that.
func overlap(err error) bool {
	text := strings.ToLower(err.Error())
	return strings.Contains(text, "overlap") || strings.Contains(text, "conflict")
}

// networkName is the name of a run's network.
func networkName(run string) string { return "bedlam-" + run }

// retireNetworks removes networks that a sweep had to leave, see deserted: of
// runs that have nothing else, and in whose place one that is on its way up
// would have containers by now. It is no matter if it does not succeed; the next
// run tries again.
func (d *daemon) retireNetworks(ctx context.Context) {
	all, err := d.api.NetworkList(ctx, client.NetworkListOptions{Filters: client.Filters{}.Add("label", deploy.LabelRun)})
	if err != nil {
		return
	}
	for _, n := range all.Items {
		run := n.Labels[deploy.LabelRun]
		if run == "" || n.Name != networkName(run) || time.Since(n.Created) < idle {
			continue
		}
		if l, err := d.left(ctx, run); err == nil && l.onlyNetworks() {
			d.api.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{})
		}
	}
}

func (d *daemon) tryNetwork(ctx context.Context, run string, subnet netip.Prefix) (*network, error) {
	gateway := subnet.Addr().Next()
	six := false
	made, err := d.api.NetworkCreate(ctx, networkName(run), client.NetworkCreateOptions{
		Driver:     "bridge",
		EnableIPv6: &six,
		IPAM:       &api.IPAM{Driver: "default", Config: []api.IPAMConfig{{Subnet: subnet, Gateway: gateway}}},
		// Containers reach one another also where the daemon's default is that
		// they do not.
		Options: map[string]string{"com.docker.network.bridge.enable_icc": "true"},
		Labels:  map[string]string{deploy.LabelRun: run},
	})
	if err != nil {
		return nil, err
	}
	return &network{ID: made.ID, Net: lan.In(subnet)}, nil
}

// local makes sure that the gateway is this machine. It is not if the daemon
// has been reached through a socket that leads out of a container of its own.
func local(gateway netip.Addr) error {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return err
	}
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr() == gateway {
			return nil
		}
	}
	return fmt.Errorf("its gateway %s is no address of this machine, which therefore cannot reach containers (is this itself a container?): use the process engine", gateway)
}

// taken returns the subnets that a new network must not overlap with.
func (d *daemon) taken(ctx context.Context) ([]netip.Prefix, error) {
	all, err := d.api.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		return nil, err
	}
	taken, err := lan.Taken()
	if err != nil {
		return nil, err
	}
	for _, n := range all.Items {
		for _, c := range n.IPAM.Config {
			if c.Subnet.IsValid() {
				taken = append(taken, c.Subnet.Masked())
			}
		}
	}
	return taken, nil
}
