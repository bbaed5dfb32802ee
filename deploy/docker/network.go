package docker

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	api "github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/bedlamlab/bedlam/deploy"
)

// A network is the network of one run: a bridge of its own, whose containers
// reach one another and this machine by address.
type network struct {
	ID      string
	Gateway netip.Addr // this machine, as the containers see it
	subnet  netip.Prefix
}

// Address returns the n-th address for a container, n from 1 to 253.
func (n *network) Address(i int) (netip.Addr, error) {
	if i < 1 || i > spaces {
		return netip.Addr{}, fmt.Errorf("the network has addresses 1 to %d, not %d", spaces, i)
	}
	b := n.Gateway.As4()
	b[3] += byte(i)
	return netip.AddrFrom4(b), nil
}

const (
	// width is a network's: 256 addresses are ten times the containers of the
	// whole shop, and small enough to fit between what others have taken.
	width = 24
	// spaces are what is left of them without the network's own address, the
	// gateway's and the broadcast's.
	spaces = 253
	// draws bounds how often a subnet is drawn. Others may take one between
	// our look and our grasp; that they do so this often in a row is none of
	// that.
	draws = 32
)

// pools are where subnets are drawn from, best first: the private blocks, and
// between them the block for benchmarks of networks, which stays free also
// where a company has given all of 10.0.0.0/8 to a tunnel. The other two come
// last because daemons draw their own networks from there.
var pools = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"),
}

// makeNetwork makes the run's network. Its subnet overlaps with no other
// network of the daemon, no address and no route of this machine and none of
// its name servers. On error nothing of it is left.
func (d *daemon) makeNetwork(ctx context.Context, run string) (*network, error) {
	fail := func(err error) (*network, error) { return nil, fmt.Errorf("making the run's network: %w", err) }
	if run == "" {
		return fail(errNoRun)
	}
	d.retireNetworks(ctx)
	seed := sha256.Sum256([]byte(run))
	random := rand.New(rand.NewChaCha8(seed)) // from the run's name: runs side by side seldom draw the same
	var refused error
	for range draws {
		taken, err := d.taken(ctx)
		if err != nil {
			return fail(err)
		}
		subnet, err := draw(random, taken)
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
	return &network{ID: made.ID, Gateway: gateway, subnet: subnet}, nil
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

// draw returns a subnet that overlaps with nothing that is taken: a random one
// of the best pool that has one.
func draw(random *rand.Rand, taken []netip.Prefix) (netip.Prefix, error) {
	for _, pool := range pools {
		n := 1 << (width - pool.Bits())
		begin := random.IntN(n)
		for i := range n {
			p := nth(pool, (begin+i)%n)
			if !slices.ContainsFunc(taken, p.Overlaps) {
				return p, nil
			}
		}
	}
	return netip.Prefix{}, fmt.Errorf("no subnet of %d addresses is free in %v", 1<<(32-width), pools)
}

// nth returns the i-th subnet of pool.
func nth(pool netip.Prefix, i int) netip.Prefix {
	b := pool.Masked().Addr().As4()
	v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	v += uint32(i) << (32 - width)
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}), width)
}

// taken returns the subnets that a new network must not overlap with.
func (d *daemon) taken(ctx context.Context) ([]netip.Prefix, error) {
	all, err := d.api.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		return nil, err
	}
	var taken []netip.Prefix
	for _, n := range all.Items {
		for _, c := range n.IPAM.Config {
			if c.Subnet.IsValid() {
				taken = append(taken, c.Subnet.Masked())
			}
		}
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	for _, a := range own {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			taken = append(taken, p.Masked())
		}
	}
	for path, parse := range map[string]func(string) []netip.Prefix{"/proc/net/route": routes, "/etc/resolv.conf": nameServers} {
		if b, err := os.ReadFile(path); err == nil { // without it, this machine has none
			taken = append(taken, parse(string(b))...)
		}
	}
	return taken, nil
}
