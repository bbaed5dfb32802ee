package lan

import (
	"net/netip"
	"strconv"
	"strings"
)

// routes returns the destinations in the kernel's table of routes, without the
// default route, which overlaps with everything. Numbers stand there in
// hexadecimal with their first byte last:
//
//	Iface   Destination Gateway  Flags RefCnt Use Metric Mask     MTU Window IRTT
//	docker0 000011AC    00000000 0001  0      0   0      0000FFFF 0   0      0
func routes(table string) []netip.Prefix {
	var all []netip.Prefix
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 8 {
			continue
		}
		to, err1 := strconv.ParseUint(f[1], 16, 32)
		mask, err2 := strconv.ParseUint(f[7], 16, 32)
		if err1 != nil || err2 != nil {
			continue // the heading
		}
		bits := 0
		for m := swapped(mask); m&(1<<31) != 0; m <<= 1 {
			bits++
		}
		if bits == 0 {
			continue
		}
		v := swapped(to)
		all = append(all, netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}), bits).Masked())
	}
	return all
}

func swapped(v uint64) uint32 {
	return uint32(v)<<24 | uint32(v)<<8&0xff0000 | uint32(v)>>8&0xff00 | uint32(v)>>24
}

// nameServers returns the name servers in a resolv.conf. A network that
// covered one would take this machine's names away.
func nameServers(config string) []netip.Prefix {
	var all []netip.Prefix
	for line := range strings.Lines(config) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "nameserver" {
			continue
		}
		if a, err := netip.ParseAddr(f[1]); err == nil && a.Is4() {
			all = append(all, netip.PrefixFrom(a, 32))
		}
	}
	return all
}
