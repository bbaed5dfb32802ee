package lan

import (
	"math/rand/v2"
	"net/netip"
	"testing"
)

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
			got, err := Draw(random, c.taken)
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
