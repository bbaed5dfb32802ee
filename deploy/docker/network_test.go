package docker

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"github.com/bedlamlab/bedlam/deploy"
)

func TestNetwork(t *testing.T) {
	l := newLab(t)
	n, ip := l.net()
	if n.Gateway == ip || !n.subnet.Contains(ip) || !n.subnet.Contains(n.Gateway) {
		t.Errorf("in %s the gateway is %s and a container %s", n.subnet, n.Gateway, ip)
	}
	for _, i := range []int{-1, 0, 254} {
		if a, err := n.Address(i); err == nil {
			t.Errorf("address %d is %s", i, a)
		}
	}
	last, err := n.Address(253)
	l.must(err)
	if !n.subnet.Contains(last) || n.subnet.Contains(last.Next().Next()) {
		t.Errorf("the last address of %s is %s", n.subnet, last)
	}
	got, err := l.api.NetworkInspect(l.ctx, n.ID, client.NetworkInspectOptions{})
	l.must(err)
	if got.Network.Labels[deploy.LabelRun] != l.run || got.Network.Internal || got.Network.EnableIPv6 || got.Network.Options["com.docker.network.bridge.enable_icc"] != "true" {
		t.Errorf("the daemon says %+v", got.Network)
	}

	// This machine reaches a container, and one container another.
	one := l.play(spec{Network: n.ID, IP: ip}, "live", ":7000")
	l.alive(one)
	if v := l.look(one); v.IP != ip {
		t.Errorf("it has address %s, want %s", v.IP, ip)
	}
	conn, err := net.Dial("tcp", ip.String()+":7000")
	l.must(err)
	conn.Close()
	two := l.play(spec{Network: n.ID, IP: last}, "call", ip.String()+":7000", "hello")
	if got := l.said(two); strings.TrimSpace(got) != "hello" {
		t.Errorf("one container says to the other %q", got)
	}
}

// Two networks of the same run draw the same subnets; the second sees the
// first.
func TestNetworksDoNotMeet(t *testing.T) {
	l := newLab(t)
	var have []*network
	for range 3 {
		n, _ := l.net()
		for _, other := range have {
			if n.subnet.Overlaps(other.subnet) {
				t.Errorf("%s overlaps with %s", n.subnet, other.subnet)
			}
		}
		have = append(have, n)
	}
	taken, err := l.taken(l.ctx)
	l.must(err)
	for _, n := range have {
		found := false
		for _, p := range taken {
			found = found || p == n.subnet
		}
		if !found {
			t.Errorf("%s is not seen as taken: %v", n.subnet, taken)
		}
	}
	// Who looked a moment too early is refused by the daemon, in words that
	// are understood as that.
	_, err = l.tryNetwork(l.ctx, l.run, have[0].subnet)
	if err == nil || !overlap(err) {
		t.Errorf("a subnet that is taken: %v", err)
	}
	if _, err := l.makeNetwork(l.ctx, ""); !errors.Is(err, errNoRun) {
		t.Errorf("the network of no run: %v", err)
	}
}

func TestGatewayIsThisMachine(t *testing.T) {
	if err := local(netip.MustParseAddr("127.0.0.1")); err != nil {
		t.Error(err)
	}
	if err := local(netip.MustParseAddr("203.0.113.7")); err == nil || !strings.Contains(err.Error(), "no address of this machine") {
		t.Errorf("another machine's address: %v", err)
	}
}

func TestDraw(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	prefix := netip.MustParsePrefix
	for _, c := range []struct {
		why   string
		taken []netip.Prefix
		in    netip.Prefix // zero: none is free
	}{
		{"nothing is taken", nil, prefix("10.0.0.0/8")},
		{"a tunnel has all of the first pool", []netip.Prefix{prefix("10.0.0.0/8")}, prefix("198.18.0.0/15")},
		{"all but a corner of the first pool is taken", []netip.Prefix{prefix("10.0.0.0/9"), prefix("10.128.0.0/10"), prefix("10.192.0.0/11"),
			prefix("10.224.0.0/12"), prefix("10.240.0.0/13"), prefix("10.248.0.0/14"), prefix("10.252.0.0/15"), prefix("10.254.0.0/16")}, prefix("10.255.0.0/16")},
		{"only the last pool is free", pools[:3], pools[3]},
		{"everything is taken", pools, netip.Prefix{}},
	} {
		for range 20 {
			got, err := draw(random, c.taken)
			if (err != nil) != !c.in.IsValid() || err == nil && (!c.in.Contains(got.Addr()) || got.Bits() != width || got != got.Masked()) {
				t.Errorf("%s: %s, %v", c.why, got, err)
			}
			for _, p := range c.taken {
				if err == nil && p.Overlaps(got) {
					t.Errorf("%s: %s overlaps with %s", c.why, got, p)
				}
			}
		}
	}
}

func TestRoutes(t *testing.T) {
	const table = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	010200C0	0003	0	0	0	00000000	0	0	0
eth0	000200C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
docker0	000011AC	00000000	0001	0	0	0	0000FFFF	0	0	0
tun0	0000000A	00000000	0001	0	0	0	000000FF	0	0	0
`
	want := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("172.17.0.0/16"), netip.MustParsePrefix("10.0.0.0/8")}
	got := routes(table)
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	servers := nameServers("# a comment\nsearch example.com\nnameserver 10.1.2.3\nnameserver fe80::1\nnameserver\n")
	if len(servers) != 1 || servers[0] != netip.MustParsePrefix("10.1.2.3/32") {
		t.Errorf("name servers %v", servers)
	}
}

func FuzzRoutes(f *testing.F) {
	f.Add("tun0	0000000A	00000000	0001	0	0	0	000000FF	0	0	0\nnameserver 10.1.2.3")
	f.Add("a b c d e f g h")
	f.Fuzz(func(t *testing.T, text string) {
		for _, p := range append(routes(text), nameServers(text)...) {
			if !p.IsValid() || !p.Addr().Is4() || p != p.Masked() || p.Bits() == 0 {
				t.Errorf("%q holds %v", text, p)
			}
		}
	})
}
