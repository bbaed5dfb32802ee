// Package lan is the private network of one run on this machine, whatever
// carries it: [Draw] finds a subnet that nobody uses, and [Net] says who has
// which address in it.
package lan

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"
)

// A Net is a run's own subnet.
type Net struct {
	Gateway netip.Addr // this machine, as those in the network see it
	Subnet  netip.Prefix
}

// In returns the network of a subnet that [Draw] has found.
func In(subnet netip.Prefix) Net { return Net{subnet.Addr().Next(), subnet} }

// Address returns the n-th address beside the gateway's, n from 1 to 253.
func (n Net) Address(i int) (netip.Addr, error) {
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

// Draw returns a subnet that overlaps with nothing that is taken: a random one
// of the best pool that has one.
func Draw(random *rand.Rand, taken []netip.Prefix) (netip.Prefix, error) {
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

// looks bounds how often this machine's addresses are read, while other runs
// make and remove theirs.
const looks = 100

// Taken returns the subnets of this machine, with which a new network must not
// overlap: its addresses' and routes', and its name servers.
func Taken() ([]netip.Prefix, error) {
	own, err := net.InterfaceAddrs()
	for again := 0; err != nil && again < looks; again++ { // a link has come or gone between the links and their addresses
		time.Sleep(time.Millisecond)
		own, err = net.InterfaceAddrs()
	}
	if err != nil {
		return nil, err
	}
	var taken []netip.Prefix
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
